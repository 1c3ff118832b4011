package proof

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sheafdb/sheaf/internal/testkit"
)

// The schemas of a rollout: a field that is required comes, another goes.
const (
	withLegacy   = "collection: people\nid: string\nfields:\n  name: {type: string, required: true}\n  count: {type: int, default: 0}\n  legacy: {type: string}\n"
	withEmail    = withLegacy + "  email: {type: string, check: email}\n"
	withoutField = "collection: people\nid: string\nfields:\n  name: {type: string, required: true}\n  count: {type: int, default: 0}\n" +
		"  email: {type: string, required: true, default: none@example.com, check: email}\n"
)

// rollout is two instances on one database, each with schema files of its own, and
// clients of both.
type rollout struct {
	t          *testing.T
	binary     string
	environ    []string
	migrations string
	folders    [2]string
	instances  [2]*service
	// knows is set once an instance takes the new field.
	knows    [2]atomic.Bool
	answered atomic.Int64
	stop     chan struct{}
	stopping sync.Once
	clients  sync.WaitGroup
}

// A required field is rolled in, and another out, through all stages while clients
// work on two instances, and no request fails.
func TestASchemaIsRolledOutUnderLoad(t *testing.T) {
	server, err := testkit.StartMongod(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(t.Context()) })
	r := &rollout{
		t: t, binary: build(t), migrations: t.TempDir(), stop: make(chan struct{}),
		environ: append(os.Environ(), "MONGODB_URI="+server.URI(), "MONGODB_DATABASE=proof", "SHEAF_LOG_LEVEL=error", "SHEAF_MIGRATE=check", "SHEAF_DRAIN_DELAY=0s"),
	}
	r.migrate(withLegacy, "new", "people")
	r.migrate(withLegacy, "up")
	r.start()
	r.seed()
	r.load()
	r.await()

	// Expand: the database takes the field, then one instance does, then the other.
	r.migrate(withEmail, "new", "email")
	r.migrate(withEmail, "up")
	r.adopt(0, withEmail)
	r.await()
	r.holdKept()
	r.adopt(1, withEmail)
	r.await()

	// Backfill and tighten, once no instance is left that would leave the field out.
	r.migrate(withoutField, "new", "email_required")
	r.adopt(0, withoutField)
	r.await()
	r.adopt(1, withoutField)
	r.await()
	tighten := r.named("_tighten")
	r.migrate(withoutField, "up", "--to", tighten)
	r.await()

	// Contract.
	r.migrate(withoutField, "up", "--allow-drop")
	r.await()
	r.end()
	r.holdDone()
	t.Logf("%d requests were answered", r.answered.Load())
}

// migrate runs sheaf migrate with a schema.
func (r *rollout) migrate(schema string, args ...string) string {
	r.t.Helper()
	folder := r.t.TempDir()
	r.write(folder, schema)
	command := exec.CommandContext(r.t.Context(), r.binary, append([]string{"migrate"}, args...)...)
	command.Env = append(r.environ, "SHEAF_SCHEMA="+folder, "SHEAF_MIGRATIONS="+r.migrations)
	output, err := command.CombinedOutput()
	if err != nil {
		r.t.Fatalf("sheaf migrate %s: %v: %s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// named returns the migration whose name ends so.
func (r *rollout) named(end string) string {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.migrations, "*"+end+".yaml"))
	if err != nil || len(found) != 1 {
		all, _ := os.ReadDir(r.migrations)
		r.t.Fatalf("migrations that end with %s: %v, of %v", end, found, all)
	}
	return strings.TrimSuffix(filepath.Base(found[0]), ".yaml")
}

// write puts a schema file into a folder, whole or not at all.
func (r *rollout) write(folder, schema string) {
	r.t.Helper()
	file := filepath.Join(folder, "people.yaml")
	err := os.WriteFile(file+".new", []byte(schema), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rollout) start() {
	r.t.Helper()
	for i := range r.instances {
		r.folders[i] = r.t.TempDir()
		r.write(r.folders[i], withLegacy)
		p := &program{t: r.t, binary: r.binary, listen: "127.0.0.1:0", args: []string{"--schema", r.folders[i]}, environ: r.environ}
		transport := &http.Transport{MaxIdleConnsPerHost: 100}
		r.instances[i] = &service{t: r.t, url: p.start(), client: &http.Client{Transport: transport, Timeout: 2 * requestLimit}}
		r.t.Cleanup(func() {
			transport.CloseIdleConnections()
			p.kill()
		})
	}
}

// seed stores documents of the old schema.
func (r *rollout) seed() {
	r.t.Helper()
	for part := range 3 {
		var docs []string
		for i := range 1000 {
			docs = append(docs, fmt.Sprintf(`{"id":"old-%d-%d","name":"old","legacy":"l"}`, part, i))
		}
		r.must(0, 201, "POST", "/v1/people", "["+strings.Join(docs, ",")+"]")
	}
}

// must sends a request to an instance, and notes every answer but the one that it
// should have.
func (r *rollout) must(instance, status int, method, path, body string, headers ...string) string {
	got := r.instances[instance].do(method, path, body, headers...)
	if got.status != status {
		r.t.Errorf("%s %s %s by instance %d: %d %s", method, path, body, instance, got.status, got.body)
	}
	r.answered.Add(1)
	return string(got.body)
}

// load has clients work until stop: some that know nothing of the new field, and
// some that use it wherever it is taken.
func (r *rollout) load() {
	r.t.Cleanup(r.end)
	for client := range 6 {
		r.clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-r.stop:
					return
				default:
				}
				if r.t.Failed() {
					return
				}
				r.visit(client, n)
			}
		})
	}
}

// end has the clients come to an end.
func (r *rollout) end() {
	r.stopping.Do(func() { close(r.stop) })
	r.clients.Wait()
}

const operators = "Content-Type: application/vnd.sheaf.update+json"

// visit creates a document by one instance, changes it in every way by both, and
// takes it away.
func (r *rollout) visit(client, n int) {
	id, one, other := fmt.Sprintf("%d-%d", client, n), n%2, 1-n%2
	at := "/v1/people/" + id
	email := ""
	if client%2 == 0 && r.knows[one].Load() {
		email = `,"email":"ada@example.com"`
	}
	r.must(one, 201, "POST", "/v1/people", fmt.Sprintf(`{"id":%q,"name":"Ada"%s}`, id, email))
	r.must(other, 200, "PATCH", at, `{"name":"Grace"}`)
	r.must(one, 200, "PATCH", at, `{"$inc":{"count":1}}`, operators)
	old := fmt.Sprintf("/v1/people/old-%d-%d", n%3, (client*97+n)%1000)
	r.must(other, 200, "PATCH", old, `{"$inc":{"count":1}}`, operators)
	r.must(one, 200, "PATCH", old, fmt.Sprintf(`{"name":"changed %d"}`, n))
	if got := r.must(other, 200, "GET", at, ""); email != "" && !strings.Contains(got, "ada@example.com") {
		r.t.Errorf("the new field is gone: %s", got)
	}
	r.must(one, 200, "POST", "/v1/_transactions", fmt.Sprintf(`{"operations":[{"update":"people","id":%q,"change":{"$inc":{"count":1}}},{"read":"people","id":%q}]}`, id, id))
	if email == "" {
		r.must(other, 200, "PUT", at, `{"name":"Ada","count":7}`)
	}
	r.must(one, 200, "GET", "/v1/people?limit=3&name=Ada", "")
	r.must(other, 204, "DELETE", at, "")
}

// await returns when some more requests are answered.
func (r *rollout) await() {
	r.t.Helper()
	const more = 300
	before := r.answered.Load()
	awaitTrue(r.t, "requests are answered", func() bool { return r.answered.Load() >= before+more || r.t.Failed() })
}

// adopt gives an instance other schema files, and returns when it serves them.
func (r *rollout) adopt(instance int, schema string) {
	r.t.Helper()
	r.write(r.folders[instance], schema)
	properties := func() string { return string(r.instances[instance].do("GET", "/openapi.json", "").body) }
	awaitTrue(r.t, "the instance serves the schema", func() bool {
		got := properties()
		return strings.Contains(got, `"email"`) && strings.Contains(got, `"legacy"`) == strings.Contains(schema, "legacy")
	})
	r.knows[instance].Store(true)
}

// holdKept holds that the instance of the old schema keeps the new field through
// every kind of change, PUT included.
func (r *rollout) holdKept() {
	r.t.Helper()
	r.must(0, 201, "POST", "/v1/people", `{"id":"kept","name":"Ada","email":"kept@example.com"}`)
	r.must(1, 200, "PATCH", "/v1/people/kept", `{"count":1}`)
	r.must(1, 200, "PATCH", "/v1/people/kept", `[{"op":"replace","path":"/name","value":"Grace"}]`, "Content-Type: application/json-patch+json")
	r.must(1, 200, "PUT", "/v1/people/kept", `{"name":"Grace","count":2}`)
	r.must(1, 422, "PATCH", "/v1/people/kept", `{"email":"other@example.com"}`)
	if got := r.must(0, 200, "GET", "/v1/people/kept", ""); !strings.Contains(got, `"kept@example.com"`) {
		r.t.Errorf("the new field is gone: %s", got)
	}
}

// holdDone holds that every document is as the last schema says, and that MongoDB
// insists on it.
func (r *rollout) holdDone() {
	r.t.Helper()
	for _, list := range []struct{ filter, total string }{
		{`{"email":{"$exists":false}}`, `"total":0`},
		{`{"email":"none@example.com"}`, `"total":3000`},
	} {
		if got := r.must(0, 200, "GET", "/v1/people?limit=1&count=exact&filter="+list.filter, ""); !strings.Contains(got, list.total) {
			r.t.Errorf("of %s there are %s", list.filter, got)
		}
	}
	if got := r.must(0, 200, "GET", "/v1/people/old-0-0", ""); strings.Contains(got, "legacy") {
		r.t.Errorf("the old field is still there: %s", got)
	}
	if plan := r.migrate(withoutField, "plan", "--exit-code"); strings.Contains(plan, "tighten") || strings.Contains(plan, "contract") {
		r.t.Errorf("there is more to do: %s", plan)
	}
}
