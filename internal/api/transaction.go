package api

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/schema"
)

// maxOperations is how many operations one transaction has at most.
const maxOperations = 1000

// transact carries out the operations of a transaction, all or none.
func transact(x *exchange) error {
	if err := x.noParameters(); err != nil {
		return err
	}
	form, err := x.form()
	if err != nil {
		return err
	}
	body, media, release, err := x.readBody(mediaJSON, mediaExtended)
	if err != nil {
		return err
	}
	defer release()
	r := operationReader{model: x.known(), extended: media == mediaExtended, minimal: form.minimal}
	if err := r.read(body); err != nil {
		return err
	}
	var results []engine.Result
	rollback := dryRun(x.request.Header)
	err = x.timed("engine", func() error {
		results, err = x.service.engine.ApplyBatch(x.request.Context(), engine.Batch{Writes: r.writes, Faults: r.faults, Rollback: rollback})
		return err
	})
	if err != nil {
		return err
	}
	if !rollback {
		x.noteWrites(r.writes, results)
	}
	if applied := form.applied(rollback); applied != "" {
		x.Header()["Preference-Applied"] = []string{applied}
	}
	return x.sendResults(r.writes, results, form)
}

// applied tells what was heeded of Prefer.
func (f form) applied(rollback bool) string {
	var list []string
	if rollback {
		list = append(list, "tx=rollback")
	}
	if f.minimal {
		list = append(list, "return=minimal")
	}
	return strings.Join(list, ", ")
}

// sendResults answers {"results":[{"status":201,"id":…,"version":1,"document":{…}},…]}.
func (x *exchange) sendResults(writes []engine.Write, results []engine.Result, f form) error {
	return x.stream(http.StatusOK, f, func(s *stream) {
		s.buffer = append(s.buffer, `{"results":[`...)
		for i, result := range results {
			if i > 0 {
				s.buffer = append(s.buffer, ',')
			}
			s.buffer = appendResult(s.buffer, writes[i].Verb, result, f)
			s.flushFull()
		}
		s.buffer = append(s.buffer, "]}"...)
	})
}

func appendResult(dst []byte, verb engine.Verb, result engine.Result, f form) []byte {
	status := http.StatusOK
	switch {
	case result.Created:
		status = http.StatusCreated
	case verb == engine.Delete:
		status = http.StatusNoContent
	}
	dst = strconv.AppendInt(append(dst, `{"status":`...), int64(status), 10)
	dst = f.appendValue(append(dst, `,"id":`...), result.ID)
	if result.Document != nil {
		dst = strconv.AppendInt(append(dst, `,"version":`...), engine.Version(result.Document), 10)
		if !f.minimal && !result.Withheld {
			dst = f.append(append(dst, `,"document":`...), result.Document)
		}
	}
	return append(dst, '}')
}

// operationReader reads the body of a transaction. What is wrong with it is
// noted; an operation of which enough is told becomes a Write without a
// collection.
type operationReader struct {
	model             *schema.Model
	extended, minimal bool
	writes            []engine.Write
	faults            fault.List
}

func (r *operationReader) read(body []byte) error {
	members, err := bsonjson.SplitObject(body)
	if err != nil {
		return err
	}
	var list []byte
	for _, member := range members {
		if member.Name == "operations" {
			list = member.Text
			continue
		}
		r.faults.Add(bsonjson.AppendToken("", member.Name), "unknown-field", "is not a member of a transaction%s", nearest.Hint(member.Name, []string{"operations"}))
	}
	if list == nil {
		r.faults.Add("/operations", "required", "is required")
		return r.faults.Err(fault.ValidationFailed, "the body is no transaction")
	}
	return r.operations(list)
}

func (r *operationReader) operations(list []byte) error {
	elements, err := bsonjson.SplitArray(list)
	if fault.Is(err, fault.ValidationFailed) {
		r.faults.Add("/operations", "type", "must be an array of operations")
		return r.faults.Err(fault.ValidationFailed, "the body is no transaction")
	}
	if err != nil {
		return err
	}
	if n := len(elements); n == 0 || n > maxOperations {
		r.faults.Add("/operations", "items", "must hold 1 to %d operations, and holds %d", maxOperations, n)
		return r.faults.Err(fault.ValidationFailed, "the body is no transaction")
	}
	r.writes = make([]engine.Write, len(elements))
	for i, element := range elements {
		place := "/operations/" + strconv.Itoa(i)
		members, err := bsonjson.SplitObject(element)
		switch {
		case fault.Is(err, fault.ValidationFailed):
			r.faults.Add(place, "type", "must be an object")
		case err != nil:
			return err
		default:
			r.writes[i] = r.operation(members, place)
		}
	}
	return nil
}

// operationVerb is what one verb of an operation takes.
type operationVerb struct {
	name string
	verb engine.Verb
	// body is the member that holds the document or the change, "" for none.
	body string
	// stored says that the operation is about a document that is there.
	stored bool
	// others are further members.
	others []string
}

var operationVerbs = []operationVerb{
	{"create", engine.Create, "document", false, nil},
	{"update", engine.Merge, "change", true, nil},
	{"replace", engine.Replace, "document", true, nil},
	{"delete", engine.Delete, "", true, []string{"purge"}},
	{"read", engine.Read, "", true, nil},
	{"restore", engine.Restore, "", true, []string{"history"}},
}

// members are the names that an operation may have beside its verb.
func (v operationVerb) members() []string {
	list := []string{"as"}
	if v.body != "" {
		list = append(list, v.body)
	}
	if v.stored {
		list = append(list, "id", "version")
	}
	if v.stored && v.verb != engine.Restore {
		list = append(list, "require")
	}
	return append(list, v.others...)
}

func verbNames() []string {
	names := make([]string, len(operationVerbs))
	for i, v := range operationVerbs {
		names[i] = v.name
	}
	return names
}

// operation reads one operation.
func (r *operationReader) operation(members []bsonjson.Member, place string) engine.Write {
	before := len(r.faults.Items)
	w := engine.Write{Place: place, Pointer: place, Mentions: true, Extended: r.extended, Minimal: r.minimal}
	verb, ok := r.verb(members, place)
	if !ok {
		r.name(&w, members)
		return w
	}
	w.Verb = verb.verb
	if verb.body != "" {
		w.Pointer = place + "/" + verb.body
	}
	for _, member := range members {
		r.member(&w, verb, member)
	}
	r.required(verb, members, place)
	r.kept(&w)
	if len(r.faults.Items) > before {
		w.Collection = nil
	}
	return w
}

// verb finds what the operation does.
func (r *operationReader) verb(members []bsonjson.Member, place string) (operationVerb, bool) {
	var found []operationVerb
	for _, member := range members {
		if i := slices.IndexFunc(operationVerbs, func(v operationVerb) bool { return v.name == member.Name }); i >= 0 {
			found = append(found, operationVerbs[i])
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	hint := ""
	for _, member := range members {
		if len(found) == 0 && hint == "" && !isOtherMember(member.Name) {
			hint = nearest.Hint(member.Name, verbNames())
		}
	}
	r.faults.Add(place, "required", "must have one of %s, with the name of a collection%s", strings.Join(verbNames(), ", "), hint)
	return operationVerb{}, false
}

// isOtherMember reports whether a name is a member of an operation, and no verb.
func isOtherMember(name string) bool {
	return slices.ContainsFunc(operationVerbs, func(v operationVerb) bool { return slices.Contains(v.members(), name) })
}

// name keeps the name of an operation that is faulty otherwise, so that those
// that refer to it are not faulty too.
func (r *operationReader) name(w *engine.Write, members []bsonjson.Member) {
	for _, member := range members {
		if member.Name == "as" {
			r.as(w, member.Text)
		}
	}
}

// member reads one member of an operation.
func (r *operationReader) member(w *engine.Write, verb operationVerb, member bsonjson.Member) {
	at := bsonjson.AppendToken(w.Place, member.Name)
	switch name := member.Name; {
	case name == verb.name:
		w.Collection = r.collection(member.Text, at)
	case !slices.Contains(verb.members(), name):
		r.faults.Add(at, "unknown-field", "is not a member of %s%s", verb.name, nearest.Hint(name, append(verb.members(), verb.name)))
	case name == verb.body:
		w.Body = member.Text
		if verb.name == "update" {
			w.Verb = changeVerb(member.Text)
		}
	case name == "id":
		w.IDText = member.Text
	case name == "version":
		r.version(w, member.Text, at)
	case name == "require":
		w.Require = member.Text
	case name == "purge":
		w.Purge = string(member.Text) == "true"
		if !w.Purge && string(member.Text) != "false" {
			r.faults.Add(at, "type", "must be true or false")
		}
	case name == "history":
		w.Revision = r.int(member.Text, at)
	case name == "as":
		r.as(w, member.Text)
	}
}

// changeVerb tells the kind of a change by its form: an array is a JSON Patch, an
// object whose first member is an operator holds operators, another is a merge
// patch.
func changeVerb(change []byte) engine.Verb {
	if change[0] == '[' {
		return engine.JSONPatch
	}
	if first := bytes.TrimLeft(change[1:], " \t\r\n"); change[0] == '{' && bytes.HasPrefix(first, []byte(`"$`)) {
		return engine.Update
	}
	return engine.Merge
}

func (r *operationReader) collection(text []byte, at string) *schema.Collection {
	name, ok := r.text(text, at, "the name of a collection")
	if !ok {
		return nil
	}
	c, ok := r.model.Lookup(name)
	if !ok {
		hint := ""
		if near := r.model.Nearest(name); near != "" {
			hint = "; did you mean " + strconv.Quote(near) + "?"
		}
		r.faults.Add(at, string(fault.UnknownCollection), "no collection is called %s%s", strconv.Quote(name), hint)
	}
	return c
}

var (
	textShape = &bsonjson.Shape{Kind: bsonjson.String}
	intShape  = &bsonjson.Shape{Kind: bsonjson.Int}
)

func (r *operationReader) text(text []byte, at, what string) (string, bool) {
	if text[0] != '"' {
		r.faults.Add(at, "type", "must be a string: %s", what)
		return "", false
	}
	value, err := bsonjson.DecodeValue(text, textShape, bsonjson.Options{Pointer: at}, &r.faults)
	if err != nil {
		r.faults.Add(at, "type", "must be a string: %s", what)
		return "", false
	}
	return value.StringValueOK()
}

func (r *operationReader) version(w *engine.Write, text []byte, at string) {
	w.Precondition.Match = &engine.Versions{List: []int64{r.int(text, at)}}
}

func (r *operationReader) int(text []byte, at string) int64 {
	value, err := bsonjson.DecodeValue(text, intShape, bsonjson.Options{Pointer: at}, &r.faults)
	if err != nil {
		r.faults.Add(at, "type", "must be an int")
	}
	n, _ := value.AsInt64OK()
	return n
}

// kept notes what asks for more than the collection keeps.
func (r *operationReader) kept(w *engine.Write) {
	c := w.Collection
	switch {
	case c == nil:
	case w.Verb == engine.Restore && !c.Keeps():
		r.faults.Add(w.Place+"/restore", "conflict", "names a collection whose schema says neither soft_delete nor history")
	case w.Revision != 0 && c.History == nil:
		r.faults.Add(w.Place+"/history", "conflict", "does not fit %s, which keeps no history", c.Name)
	case w.Revision < 0:
		r.faults.Add(w.Place+"/history", "min", "must be at least 1")
	}
}

// maxName is the longest name of an operation, in bytes.
const maxName = 100

func (r *operationReader) as(w *engine.Write, text []byte) {
	at := w.Place + "/as"
	name, ok := r.text(text, at, "the name of the operation")
	switch {
	case !ok:
	case name == "" || len(name) > maxName || strings.Contains(name, "."):
		r.faults.Add(at, "format", `must be a name of 1 to %d bytes without "."`, maxName)
	default:
		w.As = name
	}
}

// required notes the members that are missing.
func (r *operationReader) required(verb operationVerb, members []bsonjson.Member, place string) {
	var names []string
	if verb.stored {
		names = append(names, "id")
	}
	if verb.body != "" {
		names = append(names, verb.body)
	}
	for _, name := range names {
		if !slices.ContainsFunc(members, func(m bsonjson.Member) bool { return m.Name == name }) {
			r.faults.Add(place+"/"+name, "required", "is required")
		}
	}
}

// appendValue writes a value in the form's encoding.
func (f form) appendValue(dst []byte, value bson.RawValue) []byte {
	if f.extended {
		return bsonjson.AppendExtendedValue(dst, value)
	}
	return bsonjson.AppendValue(dst, value)
}

func transactionRoutes() []route {
	return []route{{openapi.Route{
		Method: http.MethodPost, Path: "/v1/_transactions", ID: "transact", Access: openapi.Writes, Summary: "Carry out several operations, all or none",
		Description: "Up to 1,000 operations, in order, in one transaction: reads see one snapshot and what the operations before them wrote. What can be checked without stored data is checked first, and every fault is told at once; a failure names the operation, and nothing is stored. Any value can be {\"$ref\": \"name.field\"}, a value of the document of an earlier operation that has the name.",
		Parameters: []openapi.Parameter{headerParameter("Prefer",
			"tx=rollback carries everything out, answers what would be, and stores nothing. return=minimal leaves the documents out of the answer.")},
		Request: &openapi.Request{Content: openapi.Content{Media: jsonForms, Body: openapi.TransactionBody}},
		Responses: []openapi.Response{{Status: 200, Description: "A result for each operation, in order.", Headers: []string{"Server-Timing", "Preference-Applied", "Vary"},
			Content: openapi.Content{Media: jsonForms, Body: openapi.ResultsBody}}},
		Problems: []fault.Code{
			fault.MalformedJSON, fault.InvalidParameter, fault.Forbidden, fault.NotFound, fault.NotAcceptable, fault.DuplicateKey, fault.ReferenceViolation, fault.PatchFailed,
			fault.WriteConflict, fault.VersionConflict, fault.PayloadTooLarge, fault.UnsupportedMediaType, fault.ValidationFailed, fault.RequirementFailed,
			fault.DatabaseUnavailable, fault.Timeout,
		},
	}, transact}}
}
