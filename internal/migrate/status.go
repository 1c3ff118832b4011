package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sheafdb/sheaf/internal/store"
)

// Status is what became of all migrations, and who runs some now.
type Status struct {
	Migrations []MigrationStatus `json:"migrations"`
	// Lease is that of the run that is under way, nil for none.
	Lease *LeaseStatus `json:"lease"`
}

// MigrationStatus is what became of one migration.
type MigrationStatus struct {
	Name string `json:"name"`
	// State is pending, applying, applied or undoing.
	State string `json:"state"`
	// Changed says that the file is another than the one that was applied, Missing
	// that there is no file.
	Changed bool `json:"changed,omitempty"`
	Missing bool `json:"missing,omitempty"`
	// Step is how many of Steps are done, of one that is half done; Next is what
	// comes, and Point how far it is.
	Step  int          `json:"step,omitempty"`
	Steps int          `json:"steps"`
	Next  string       `json:"next,omitempty"`
	Point *PointStatus `json:"point,omitempty"`
	// Who ran it last, from StartedAt to FinishedAt, for Seconds of that.
	Who        string     `json:"who,omitempty"`
	StartedAt  *time.Time `json:"startedAt,omitempty"`
	FinishedAt *time.Time `json:"finishedAt,omitempty"`
	Seconds    float64    `json:"seconds,omitempty"`
	Checksum   string     `json:"checksum,omitempty"`

	point *store.MigrationPoint
}

// Text is the status in words.
func (s MigrationStatus) Text() string {
	text := s.State
	switch s.State {
	case string(store.Applied):
		text = fmt.Sprintf("applied at %s by %s in %.1fs", clock(*s.FinishedAt), s.Who, s.Seconds)
	case string(store.Applying), string(store.Undoing):
		text = fmt.Sprintf("half %s since %s by %s: ", halfOf[s.State], clock(*s.StartedAt), s.Who)
		if s.Next == "" {
			s.Next = "not known"
		}
		text += fmt.Sprintf("next is step %d of %d, %s%s", s.Step+1, s.Steps, s.Next, pointText(s.point))
	}
	if s.Changed {
		text += "; the file was changed since"
	}
	if s.Missing {
		text += "; there is no file of it"
	}
	return text
}

var halfOf = map[string]string{string(store.Applying): "applied", string(store.Undoing): "undone"}

// PointStatus is how far a step over documents is.
type PointStatus struct {
	// After is the id of the last document that was looked at, in Extended JSON; null
	// before the first.
	After   json.RawMessage `json:"after"`
	Read    int64           `json:"read"`
	Changed int64           `json:"changed"`
	Total   int64           `json:"total"`
}

// LeaseStatus is who runs migrations.
type LeaseStatus struct {
	Who       string    `json:"who"`
	Fence     int64     `json:"fence"`
	Since     time.Time `json:"since"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// pending is the state of what is not applied.
const pending = "pending"

// ReadStatus returns what became of migrations. It writes nothing.
func ReadStatus(ctx context.Context, db *store.Store, migrations []*Migration) (*Status, error) {
	h, err := readHistory(ctx, db)
	if err != nil {
		return nil, err
	}
	holder, err := db.LeaseHolder(ctx, leaseName)
	if err != nil {
		return nil, err
	}
	s := &Status{Migrations: []MigrationStatus{}}
	for _, m := range migrations {
		s.Migrations = append(s.Migrations, h.status(m))
	}
	for _, name := range h.missing(migrations) {
		missing := statusOf(h[name], nil)
		missing.Missing = true
		s.Migrations = append(s.Migrations, missing)
	}
	if !holder.Free {
		s.Lease = &LeaseStatus{Who: holder.Who, Fence: holder.Fence, Since: holder.Since.UTC(), ExpiresAt: holder.ExpiresAt.UTC()}
	}
	return s, nil
}

func (h history) status(m *Migration) MigrationStatus {
	record := h[m.Name]
	if record.State == "" || record.State == store.Undone {
		return MigrationStatus{Name: m.Name, State: pending, Steps: len(m.Up)}
	}
	steps := m.Up
	if record.State == store.Undoing {
		steps = m.Down
	}
	status := statusOf(record, steps)
	status.Changed = h.changed(m)
	return status
}

// statusOf returns the status of what was begun; steps are those of its direction,
// nil where they are not known.
func statusOf(record store.MigrationRecord, steps []Step) MigrationStatus {
	started := record.StartedAt.UTC()
	s := MigrationStatus{
		Name: record.Name, State: string(record.State), Steps: int(record.Steps), Who: record.Who, StartedAt: &started,
		Seconds: float64(record.Milliseconds) / 1000, Checksum: record.Checksum,
	}
	if record.State == store.Applied {
		finished := record.FinishedAt.UTC()
		s.FinishedAt = &finished
		return s
	}
	s.Step = int(record.Step)
	if s.Step < len(steps) {
		s.Next = steps[s.Step].Title()
	}
	if p := record.Point; p != nil {
		s.point = p
		s.Point = &PointStatus{After: json.RawMessage("null"), Read: p.Read, Changed: p.Changed, Total: p.Total}
		if !p.After.IsZero() {
			s.Point.After = json.RawMessage(p.After.String())
		}
	}
	return s
}
