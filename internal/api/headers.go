package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
)

// The media types of bodies.
const (
	mediaJSON       = "application/json"
	mediaExtended   = "application/ejson"
	mediaMergePatch = "application/merge-patch+json"
	mediaJSONPatch  = "application/json-patch+json"
	mediaUpdate     = "application/vnd.sheaf.update+json"
	mediaHTML       = "text/html; charset=utf-8"
)

// etag is the entity tag of a version (RFC 9110 section 8.8.3). It is strong:
// every write has a version of its own.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// preconditions reads If-Match and If-None-Match.
func preconditions(h http.Header) (engine.Precondition, error) {
	var faults fault.List
	p := engine.Precondition{
		Match:     versions(h, "If-Match", false, &faults),
		NoneMatch: versions(h, "If-None-Match", true, &faults),
	}
	return p, faults.Err(fault.InvalidParameter, "a conditional header is not valid")
}

// versions reads a list of entity tags. Tags that are none of ours stand for no
// version; weak ones match only where weak comparison is asked for.
func versions(h http.Header, name string, weak bool, faults *fault.List) *engine.Versions {
	values := h.Values(name)
	if len(values) == 0 {
		return nil
	}
	text, set := strings.TrimSpace(strings.Join(values, ",")), &engine.Versions{}
	if text == "*" {
		set.Any = true
		return set
	}
	for text != "" {
		tag, isWeak, rest, ok := cutTag(text)
		if !ok {
			faults.Add(name, "format", `must be * or a list of entity tags such as "3"`)
			return set
		}
		version, err := strconv.ParseInt(tag, 10, 64)
		if err == nil && (weak || !isWeak) && strconv.FormatInt(version, 10) == tag {
			set.List = append(set.List, version)
		}
		text = rest
	}
	return set
}

// cutTag takes the first entity tag off a list.
func cutTag(list string) (tag string, weak bool, rest string, ok bool) {
	list, weak = strings.CutPrefix(list, "W/")
	list, ok = strings.CutPrefix(list, `"`)
	if !ok {
		return "", false, "", false
	}
	tag, rest, ok = strings.Cut(list, `"`)
	rest = strings.TrimSpace(rest)
	after, comma := strings.CutPrefix(rest, ",")
	after = strings.TrimLeft(after, ", \t")
	return tag, weak, after, ok && (comma || rest == "")
}

// accepted picks the form of an answer out of Accept (RFC 9110 section 12.5.1).
func accepted(h http.Header) (extended bool, err error) {
	values := h["Accept"]
	if len(values) == 0 || len(values) == 1 && (values[0] == "*/*" || values[0] == mediaJSON) {
		return false, nil
	}
	plain, ejson := quality(values, mediaJSON), quality(values, mediaExtended)
	if plain <= 0 && ejson <= 0 {
		return false, fault.New(fault.NotAcceptable, "this route answers %s or %s", mediaJSON, mediaExtended)
	}
	return ejson > plain, nil
}

// quality returns the weight of a media type in Accept: that of the range that
// fits it most closely.
func quality(values []string, media string) float64 {
	best, weight := 0, 0.0
	kind, _, _ := strings.Cut(media, "/")
	for _, value := range values {
		for each := range strings.SplitSeq(value, ",") {
			name, params, err := mime.ParseMediaType(each)
			if err != nil {
				continue
			}
			fit := map[string]int{media: 3, kind + "/*": 2, "*/*": 1}[name]
			if fit > best {
				best, weight = fit, weightOf(params)
			}
		}
	}
	return weight
}

func weightOf(params map[string]string) float64 {
	text, ok := params["q"]
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return q
}

// minimal reports whether Prefer asks for no document in the answer (RFC 7240
// section 4.2).
func minimal(h http.Header) bool { return prefers(h, "return", "minimal") }

// dryRun reports whether Prefer asks to carry a transaction out and store
// nothing.
func dryRun(h http.Header) bool { return prefers(h, "tx", "rollback") }

func prefers(h http.Header, name, wanted string) bool {
	value, ok := preference(h, name)
	return ok && value == wanted
}

// preference returns the value of the first preference of a name.
func preference(h http.Header, wanted string) (string, bool) {
	for _, value := range h["Prefer"] {
		for each := range strings.SplitSeq(value, ",") {
			name, given, _ := strings.Cut(strings.TrimSpace(each), "=")
			given, _, _ = strings.Cut(given, ";")
			if strings.EqualFold(strings.TrimSpace(name), wanted) {
				return strings.Trim(strings.TrimSpace(given), `"`), true
			}
		}
	}
	return "", false
}
