package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/importer"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/schema"
)

// importForms are the media types of documents to import; all may be lines.
var importForms = []string{mediaLines, mediaJSON, mediaExtended}

func enumSchema(values ...string) schema.JSON {
	return schema.JSON{{Name: "type", Value: "string"}, {Name: "enum", Value: values}, {Name: "default", Value: values[0]}}
}

// importDocuments stores the documents of the body, and answers what becomes of
// each as it goes.
func importDocuments(x *exchange) error {
	c, err := x.collection()
	if err != nil {
		return err
	}
	mode, onlyRefused, err := x.importParameters()
	if err != nil {
		return err
	}
	if err := x.service.engine.MayImport(x.request.Context(), c, mode); err != nil {
		return err
	}
	if _, err := x.contentType(importForms); err != nil {
		return err
	}
	limit := x.service.options.Transfers.ImportBytes
	if x.request.ContentLength > limit {
		return tooLarge(limit)
	}
	t, err := x.transfer()
	if err != nil {
		return err
	}
	defer t.close()
	lines := &resultLines{transfer: t, onlyRefused: onlyRefused}
	counts, err := x.service.engine.Import(t.ctx, importer.Options{
		Collection: c, Mode: mode, Input: http.MaxBytesReader(nil, bodyOf{t}, limit), MaxText: int(x.service.options.BodyLimit),
		Told: lines.told, Progress: func(importer.Counts) { lines.flush() }, Now: time.Now().UTC().Truncate(time.Millisecond),
	})
	x.noteWrite("import", c.Name, int(counts.Imported+counts.Changed))
	return lines.end(counts, err, limit)
}

// bodyOf reads the body of a transfer.
type bodyOf struct{ *transfer }

// Close leaves the body to net/http.
func (bodyOf) Close() error { return nil }

var importModes = map[string]importer.Mode{"create": importer.Create, "upsert": importer.Upsert, "merge": importer.Merge}

func (x *exchange) importParameters() (mode importer.Mode, onlyRefused bool, err error) {
	values, err := x.query()
	if err != nil {
		return mode, false, err
	}
	var faults fault.List
	for name := range values {
		if name != "mode" && name != "results" {
			faults.Add(name, "unknown-parameter", "is not a parameter of an import%s", nearest.Hint(name, []string{"mode", "results"}))
		}
	}
	mode = importModes[choice(values, "mode", &faults, "create", "upsert", "merge")]
	onlyRefused = choice(values, "results", &faults, "all", "refused") == "refused"
	return mode, onlyRefused, faults.Err(fault.InvalidParameter, "the parameters are not valid")
}

// choice reads a parameter that has one of some values, the first by default.
func choice(values url.Values, name string, faults *fault.List, choices ...string) string {
	given, ok := values[name]
	switch {
	case !ok:
		return choices[0]
	case len(given) > 1:
		faults.Add(name, "repeated", "is given %d times; give it once", len(given))
	case !slices.Contains(choices, given[0]):
		faults.Add(name, "enum", "must be one of %s%s", strings.Join(choices, ", "), nearest.Hint(given[0], choices))
	}
	return given[0]
}

// resultLines are the answer to an import.
type resultLines struct {
	transfer    *transfer
	onlyRefused bool
	buffer      []byte
	gone        error
}

// told writes the line of a document.
func (l *resultLines) told(r importer.Result) error {
	if l.gone != nil || l.onlyRefused && r.Outcome != importer.Refused {
		return l.gone
	}
	info := fault.Info{}
	status := resultStatus[r.Outcome]
	if r.Outcome == importer.Refused {
		info = fault.Lookup(r.Fault().Code)
		status = info.Status
	}
	l.buffer = strconv.AppendInt(append(l.buffer, `{"index":`...), r.Index, 10)
	l.buffer = strconv.AppendInt(append(l.buffer, `,"status":`...), int64(status), 10)
	if r.ID.Type != 0 {
		l.buffer = bsonjson.AppendValue(append(l.buffer, `,"id":`...), r.ID)
	}
	if r.Outcome == importer.Refused {
		l.buffer = appendProblem(append(l.buffer, `,"problem":`...), info, r.Fault(), l.requestID())
	}
	l.buffer = append(l.buffer, "}\n"...)
	return nil
}

// resultStatus are the statuses that stand for what became of a document.
var resultStatus = map[importer.Outcome]int{importer.Imported: http.StatusCreated, importer.Changed: http.StatusOK, importer.Present: http.StatusNotModified}

func (l *resultLines) requestID() string {
	return observe.RequestID(l.transfer.exchange.request.Context())
}

// flush sends what there is.
func (l *resultLines) flush() {
	if l.gone != nil || len(l.buffer) == 0 {
		return
	}
	if !l.transfer.duplex {
		// The answer begins while the body still comes. What has no connection has
		// no duplex either.
		l.transfer.duplex = true
		_ = l.transfer.control.EnableFullDuplex()
	}
	header := l.transfer.exchange.Header()
	header["Content-Type"] = []string{mediaLines}
	header["Cache-Control"] = []string{"no-store"}
	if _, l.gone = l.transfer.Write(l.buffer); l.gone != nil {
		l.transfer.cancel()
	}
	l.buffer = l.buffer[:0]
}

// end writes the line with the counts. An import that failed before its first
// line is answered as other requests are.
func (l *resultLines) end(n importer.Counts, err error, limit int64) error {
	x := l.transfer.exchange
	if l.gone != nil {
		return l.gone
	}
	dangling, isDangling := errors.AsType[*importer.DanglingError](err)
	if isDangling {
		err = nil
	}
	if err = importFault(err, limit); err != nil && x.status == 0 && len(l.buffer) == 0 {
		return err
	}
	l.buffer = strconv.AppendBool(append(l.buffer, `{"complete":`...), err == nil)
	for _, count := range []struct {
		name string
		n    int64
	}{{"read", n.Read}, {"created", n.Imported}, {"changed", n.Changed}, {"unchanged", n.Present}, {"refused", n.Refused}, {"bytes", n.Bytes}} {
		l.buffer = strconv.AppendInt(append(append(append(l.buffer, `,"`...), count.name...), `":`...), count.n, 10)
	}
	if isDangling {
		l.buffer = appendText(append(l.buffer, `,"dangling":`...), dangling.Error())
	}
	if err != nil {
		e := fault.From(err)
		l.buffer = appendProblem(append(l.buffer, `,"problem":`...), fault.Lookup(e.Code), e, l.requestID())
		x.err = err
	}
	l.buffer = append(l.buffer, "}\n"...)
	l.flush()
	return nil
}

// importFault tells what ends an import: input that cannot be read is the client's
// fault.
func importFault(err error, limit int64) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*importer.InputError](err); ok {
		return fault.New(fault.MalformedJSON, "%s", e.Detail)
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	return badRead(err, limit)
}
