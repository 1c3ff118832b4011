package proof

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// The limits of the services that meet errors. A server that said that it shuts
// down is asked again after the heartbeat.
const (
	failingLimit     = 2 * time.Second
	failingRetryTime = time.Second
	failingURI       = "&appName=failing&heartbeatFrequencyMS=500"
)

const things = `
collection: things
id: int
fields:
  name: {type: string, required: true}
  parent: {type: ref, to: things}
`

// errorRow is a row of the table of errors in docs/transactions.md.
type errorRow struct {
	name   string
	data   bson.D // of the failpoint; nil where the error is provoked
	code   int
	places []string
	passes outcome
	stays  outcome
}

// outcome is how often a command is sent, and what the client is told.
type outcome struct {
	from, to int
	// code is "" where the request succeeds.
	code   fault.Code
	status int
}

// many bounds how often a command is sent within the time limit, which the pauses
// between see to.
const many = 150

var (
	outcomeForm = regexp.MustCompile("^(?:sent (\\d+)(?: or more)?|sent until the time limit): (?:success|(\\d+) `([a-z-]+)`)$")
	numberForm  = regexp.MustCompile("`([A-Za-z]+)` (\\d+)")
	labelForm   = regexp.MustCompile("labelled `([A-Za-z]+)`")
)

func parseOutcome(t *testing.T, text string) outcome {
	t.Helper()
	match := outcomeForm.FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("%q is no outcome of the table", text)
	}
	o := outcome{from: 1, to: many, code: fault.Code(match[3])}
	if match[1] != "" {
		o.from, _ = strconv.Atoi(match[1])
	}
	if match[1] != "" && !strings.Contains(text, "or more") {
		o.to = o.from
	}
	o.status, _ = strconv.Atoi(match[2])
	if o.code != "" && fault.Lookup(o.code).Status != o.status {
		t.Fatalf("%q: the code has the status %d", text, fault.Lookup(o.code).Status)
	}
	return o
}

// errorRows reads the table.
func errorRows(t *testing.T) []errorRow {
	t.Helper()
	page, err := os.ReadFile("../../docs/transactions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "\n| error | where | what Sheaf does | it passes | it stays |\n")
	if !ok {
		t.Fatal("docs/transactions.md has no table of errors")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var rows []errorRow
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[1:] {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 5 {
			t.Fatalf("%q has not 5 cells", line)
		}
		row := errorRow{name: cells[0], places: strings.Split(cells[1], ", "), passes: parseOutcome(t, cells[3]), stays: parseOutcome(t, cells[4])}
		row.failpoint(t)
		rows = append(rows, row)
	}
	return rows
}

// failpoint completes a row with what makes MongoDB fail so.
func (r *errorRow) failpoint(t *testing.T) {
	match := numberForm.FindStringSubmatch(r.name)
	if match != nil {
		r.code, _ = strconv.Atoi(match[2])
	}
	label := labelForm.FindStringSubmatch(r.name)
	switch {
	case r.code == duplicateKey || r.code == documentInvalid:
	case strings.Contains(r.name, "write concern"):
		r.data = bson.D{{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: r.code}, {Key: "errmsg", Value: driverWords}}}}
	case match != nil:
		r.data = bson.D{{Key: "errorCode", Value: r.code}}
	case label != nil:
		r.data = bson.D{{Key: "errorCode", Value: unknownCode}, {Key: "errorLabels", Value: bson.A{label[1], "RetryableError"}}}
	case r.name == "a connection that closes":
		r.data = bson.D{{Key: "closeConnection", Value: true}}
	case r.name == unanswered:
		r.data = bson.D{{Key: "blockConnection", Value: true}, {Key: "blockTimeMS", Value: (failingLimit + 500*time.Millisecond).Milliseconds()}}
	case r.name == "any other":
		r.data = bson.D{{Key: "errorCode", Value: unknownCode}}
	default:
		t.Fatalf("%q: it is not known how to make MongoDB fail so", r.name)
	}
}

const (
	duplicateKey    = 11000
	documentInvalid = 121
	unknownCode     = 99999
	driverWords     = "words of the driver"
	// unanswered is a command that MongoDB drops, since its client has given up,
	// when it comes to it. The service ends a transaction whose commit is dropped.
	unanswered = "no answer"
)

// act is a request that meets a failing command.
type act struct {
	place, name, command string
	// stores is set where it stores a document that can be refused.
	stores  bool
	prepare func(s *service, id int64)
	send    func(s *service, id int64) reply
}

func thing(id int64) string { return fmt.Sprintf(`{"id":%d,"name":"n"}`, id) }

func createThing(s *service, id int64) reply { return s.do("POST", "/v1/things", thing(id)) }

func createChild(s *service, id int64) reply {
	return s.do("POST", "/v1/things", fmt.Sprintf(`{"id":%d,"name":"n","parent":1}`, id))
}

func createTwo(s *service, id int64) reply {
	return s.do("POST", "/v1/things", "["+thing(id)+","+thing(-id)+"]")
}

func storeThing(s *service, id int64) {
	if got := createThing(s, id); got.status != http.StatusCreated {
		s.t.Errorf("prepare: %d %s", got.status, got.body)
	}
}

// acts are the requests by the places that the table names: in a transaction the
// statements, and the commit.
var acts = []act{
	{place: "read", name: "get", command: "find", send: func(s *service, _ int64) reply { return s.do("GET", "/v1/things/1", "") }},
	{place: "read", name: "list", command: "find", send: func(s *service, _ int64) reply { return s.do("GET", "/v1/things?limit=1", "") }},
	{place: "read", name: "count", command: "aggregate", send: func(s *service, _ int64) reply { return s.do("GET", "/v1/things?limit=1&count=exact", "") }},
	{place: "write", name: "create", command: "insert", stores: true, send: createThing},
	{place: "write", name: "patch", command: "update", prepare: storeThing,
		send: func(s *service, id int64) reply { return s.do("PATCH", fmt.Sprint("/v1/things/", id), `{"name":"m"}`) }},
	{place: "statement", name: "array", command: "insert", stores: true, send: createTwo},
	{place: "statement", name: "child", command: "insert", stores: true, send: createChild},
	{place: "statement", name: "delete", command: "delete", prepare: storeThing,
		send: func(s *service, id int64) reply { return s.do("DELETE", fmt.Sprint("/v1/things/", id), "") }},
	{place: "commit", name: "array", command: "commitTransaction", send: createTwo},
	{place: "commit", name: "child", command: "commitTransaction", send: createChild},
}

// sent counts the commands of a service by name.
type sent struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *sent) observer() *observe.Observer {
	return observe.New(observe.Subscriber{Command: func(_ context.Context, command observe.Command) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.counts[command.Name]++
	}})
}

// take returns how often a command was sent since it was called last.
func (c *sent) take(command string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts[command]
	c.counts = map[string]int{}
	return n
}

// probe is an act and the service of its own that it is sent to.
type probe struct {
	act
	service *service
	sent    *sent
}

// failing is a mongod that fails as it is told, and the probes of it.
type failing struct {
	t      *testing.T
	server *mongod.Server
	probes []*probe
	// entered is how often a failpoint was entered when it was set last.
	entered int64
}

var nextThing atomic.Int64

func init() { nextThing.Store(1) }

func startFailing(t *testing.T) *failing {
	server := startMongod(t)
	f := &failing{t: t, server: server}
	for _, separate := range []bool{false, true} {
		for _, a := range acts {
			counts := &sent{counts: map[string]int{}}
			s := serveWithin(t, failingLimit, server.URI()+failingURI,
				store.Options{NoCoalescing: separate, Observer: counts.observer(), RetryTime: failingRetryTime}, map[string]string{"things.yaml": things})
			if separate {
				a.name += " separate"
			}
			f.probes = append(f.probes, &probe{a, s, counts})
		}
	}
	storeThing(f.probes[0].service, 1)
	return f
}

// startMongod starts one that is gone when the test ends.
func startMongod(t *testing.T) *mongod.Server {
	t.Helper()
	server, err := testkit.StartMongod(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

func (f *failing) admin(command bson.D) bson.Raw {
	f.t.Helper()
	answer, err := store.Admin(context.Background(), f.server.URI(), command)
	if err != nil {
		f.t.Error(err)
	}
	return answer
}

// fail makes commands of the services fail.
func (f *failing) fail(mode any, data bson.D, commands ...string) {
	f.t.Helper()
	if data != nil {
		data = append(slices.Clone(data), bson.E{Key: "failCommands", Value: commands}, bson.E{Key: "appName", Value: "failing"})
		answer := f.admin(bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: mode}, {Key: "data", Value: data}})
		f.entered, _ = answer.Lookup("count").AsInt64OK()
	}
}

// heal makes MongoDB work again, and waits until the service of each probe does.
func (f *failing) heal(probes ...*probe) {
	f.t.Helper()
	f.admin(bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: "off"}})
	var group sync.WaitGroup
	for _, p := range probes {
		group.Go(func() {
			if _, err := p.service.awaitReady(func() reply { return createThing(p.service, nextThing.Add(1)) }); err != nil {
				f.t.Error(err)
			}
		})
	}
	group.Wait()
}

// awaitNoTransaction waits until the server has no open transaction. It would
// give up by itself what nobody ended, but after a minute.
func awaitNoTransaction(t *testing.T, uri string) {
	t.Helper()
	const limit, pause = 20 * time.Second, 10 * time.Millisecond
	var open int64
	for began := time.Now(); time.Since(began) < limit; time.Sleep(pause) {
		status, err := store.Admin(context.Background(), uri, bson.D{{Key: "serverStatus", Value: 1}})
		if err != nil {
			t.Fatal(err)
		}
		if open, _ = status.Lookup("transactions", "currentOpen").AsInt64OK(); open == 0 {
			return
		}
	}
	t.Errorf("%d transactions stay open", open)
}

// strike is a probe that meets an error, and the row of the table for it.
type strike struct {
	*probe
	row errorRow
	id  int64
}

// strikes returns the probes at the places that rows speak of.
func (f *failing) strikes(rows []errorRow) (list []strike) {
	for _, r := range rows {
		for _, p := range f.probes {
			if slices.Contains(r.places, p.place) && (r.data != nil || p.stores) {
				list = append(list, strike{probe: p, row: r})
			}
		}
	}
	return list
}

// prepared stores what the request needs.
func (p strike) prepared() strike {
	p.id = nextThing.Add(1)
	if p.row.code == duplicateKey {
		p.id = 1
	}
	if p.prepare != nil {
		p.prepare(p.service, p.id)
	}
	p.sent.take("")
	return p
}

// hold sends the request and holds what came of it.
func (p strike) hold(t *testing.T, want outcome) {
	got := p.send(p.service, p.id)
	n := p.sent.take(p.command)
	what := fmt.Sprintf("%s, %s (%s): sent %d times, %d %s", p.row.name, p.place, p.name, n, got.status, got.body)
	if n < want.from || n > want.to {
		t.Errorf("%s; want %d to %d times", what, want.from, want.to)
	}
	if want.code == "" {
		if got.status < 200 || got.status > 299 {
			t.Errorf("%s; want success", what)
		}
		return
	}
	if got.status != want.status || !strings.Contains(string(got.body), `"code":"`+string(want.code)+`"`) {
		t.Errorf("%s; want %d %s", what, want.status, want.code)
	}
	wait := ""
	if after := fault.Lookup(want.code).RetryAfter; after > 0 {
		wait = strconv.Itoa(int(after.Seconds()))
	}
	if got.header.Get("Retry-After") != wait {
		t.Errorf("%s; Retry-After is %q, want %q", what, got.header.Get("Retry-After"), wait)
	}
	for _, word := range []string{driverWords, "failCommand", "failpoint", "mongo"} {
		if strings.Contains(string(got.body), word) {
			t.Errorf("%s; it holds %q", what, word)
		}
	}
}

// once lets each request meet one failure, where that ends otherwise than many.
func (f *failing) once(rows []errorRow) {
	for _, p := range f.strikes(rows) {
		if p.row.passes == p.row.stays {
			continue
		}
		p = p.prepared()
		f.fail(bson.D{{Key: "times", Value: 1}}, p.row.data, p.command)
		p.hold(f.t, p.row.passes)
		f.heal(p.probe)
	}
}

// always lets all requests fail for as long as they are sent, in two turns:
// a request of the second needs commands of the first to succeed.
func (f *failing) always(rows []errorRow) {
	for _, commands := range [][]string{{"find", "insert", "delete"}, {"update", "aggregate", "commitTransaction"}} {
		var struck []strike
		var healed []*probe
		for _, p := range f.strikes(rows) {
			if slices.Contains(commands, p.command) && !strings.HasPrefix(p.name, "child") { // which needs both
				struck = append(struck, p.prepared())
				healed = append(healed, p.probe)
			}
		}
		if len(struck) == 0 {
			continue
		}
		f.fail("alwaysOn", rows[0].data, commands...)
		var group sync.WaitGroup
		for _, p := range struck {
			group.Go(func() { p.hold(f.t, p.row.stays) })
		}
		group.Wait()
		f.heal(healed...)
	}
}

// narrow makes MongoDB's validator refuse all names, and returns what undoes it.
func (f *failing) narrow() (widen func()) {
	s, err := store.Open(f.t.Context(), store.Options{URI: f.server.URI(), Database: "proof"})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = s.Close(context.Background()) })
	provide := func(text string) {
		model, err := schema.Load(fstest.MapFS{"things.yaml": &fstest.MapFile{Data: []byte(text)}})
		if err != nil {
			f.t.Fatal(err)
		}
		validator, err := bson.Marshal(model.Collections[0].Validator())
		if err == nil {
			err = s.SetValidator(f.t.Context(), "things", validator)
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	provide(strings.Replace(things, "required: true", "required: true, enum: [z]", 1))
	return func() { provide(things) }
}

// Each error of MongoDB at each place is met as docs/transactions.md says: how
// often the command is sent, and what the client is told.
func TestErrorsAreMetAsTheDocumentationSays(t *testing.T) {
	var names []string
	byName := map[string][]errorRow{}
	for _, r := range errorRows(t) {
		if byName[r.name] == nil {
			names = append(names, r.name)
		}
		byName[r.name] = append(byName[r.name], r)
	}
	work := make(chan []errorRow, len(names))
	for _, name := range names {
		work <- byName[name]
	}
	close(work)
	const servers = 4
	var group sync.WaitGroup
	for range servers {
		f := startFailing(t)
		group.Go(func() {
			for rows := range work {
				f.meet(rows)
			}
		})
	}
	group.Wait()
}

func (f *failing) meet(rows []errorRow) {
	if rows[0].data != nil {
		f.once(rows)
		f.always(rows)
		awaitNoTransaction(f.t, f.server.URI())
		return
	}
	if rows[0].code == documentInvalid {
		defer f.narrow()()
	}
	for _, p := range f.strikes(rows) {
		p.prepared().hold(f.t, p.row.stays)
	}
}
