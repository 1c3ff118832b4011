package engine

import (
	"slices"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Precondition is what must hold of the stored document (RFC 9110 section 13.1).
type Precondition struct {
	// Match asks for one of some versions (If-Match), NoneMatch for none of them
	// (If-None-Match). nil asks for nothing.
	Match, NoneMatch *Versions
}

// Versions is a set of versions of a document.
type Versions struct {
	// Any stands for every version that there is.
	Any  bool
	List []int64
}

// Has reports whether a version is in the set; a nil set has none.
func (v *Versions) Has(version int64) bool {
	return v != nil && (v.Any || slices.Contains(v.List, version))
}

// admits returns a VersionConflict where a set is asked for that does not have
// the version.
func (v *Versions) admits(version int64) error {
	if v == nil || v.Has(version) {
		return nil
	}
	return conflict(version)
}

// admits holds the precondition of a write against the stored version.
func (p Precondition) admits(version int64) error {
	if err := p.Match.admits(version); err != nil {
		return err
	}
	if p.NoneMatch.Has(version) {
		return conflict(version)
	}
	return nil
}

// creates reports whether the document must not exist yet.
func (p Precondition) creates() bool { return p.NoneMatch != nil && p.NoneMatch.Any }

func conflict(version int64) error {
	return fault.New(fault.VersionConflict, "the stored document has version %d", version)
}
