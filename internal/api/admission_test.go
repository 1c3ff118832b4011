package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/limit"
	"github.com/sheafdb/sheaf/internal/observe"
)

func TestABusyServiceShedsLoad(t *testing.T) {
	t.Parallel()
	s := start(t, exampleModel(t, "blog"))
	s.serve(api.Options{Admission: api.Admission{Concurrent: 1}})
	body, in := io.Pipe()
	admitted := make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(admitted) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/users", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Expect", "100-continue") // which the service sends once it reads the body
	answers := make(chan int, 1)
	go func() {
		response, err := s.client.Do(request)
		if err != nil {
			t.Error(err)
			answers <- 0
			return
		}
		_ = response.Body.Close()
		answers <- response.StatusCode
	}()
	select {
	case <-admitted: // and under way until the rest comes
	case <-time.After(30 * time.Second):
		t.Fatal("the first request is not under way")
	}
	_, _ = io.WriteString(in, `{"name":"Ada",`)
	s.do("GET", "/v1/users", "").problem(503, "overloaded").sends("Retry-After", "1")
	s.do("GET", "/readyz", "").is(200)
	s.do("GET", "/livez", "").is(200)
	_, _ = io.WriteString(in, `"email":"ada@example.com"}`)
	_ = in.Close()
	if status := <-answers; status != 201 {
		t.Errorf("the request under way got %d", status)
	}
	s.do("GET", "/v1/users", "").is(200)
}

func TestAddressesAreHeldToARate(t *testing.T) {
	t.Parallel()
	s := start(t, exampleModel(t, "blog"))
	proxies, err := limit.ParseProxies("127.0.0.1, ::1")
	if err != nil {
		t.Fatal(err)
	}
	const rate, burst = 0.001, 3 // nothing comes back while the test runs
	s.serve(api.Options{Admission: api.Admission{Addresses: limit.NewRates(rate, burst), Proxies: proxies}})
	from := func(address string) answer { return s.do("GET", "/v1/users", "", "X-Forwarded-For: "+address) }
	for left := 2; left >= 0; left-- {
		from("198.51.100.1").is(200).sends("RateLimit-Policy", `"address";q=3;w=3000`).sends("RateLimit", fmt.Sprintf(`"address";r=%d;t=%d`, left, (burst-left)*1000))
	}
	refused := from("198.51.100.1").problem(429, "too-many-requests")
	if wait := refused.header.Get("Retry-After"); wait != "1000" {
		t.Errorf("Retry-After is %q", wait)
	}
	from("198.51.100.1").is(429)
	from("203.0.113.5, 198.51.100.1").is(429) // what a client writes itself does not count
	from("198.51.100.2").is(200)
	s.do("GET", "/readyz", "", "X-Forwarded-For: 198.51.100.1").is(200)

	s.serve(api.Options{Admission: api.Admission{Addresses: limit.NewRates(rate, burst)}})
	for range burst {
		from("198.51.100.1").is(200)
	}
	from("198.51.100.9").is(429) // no proxy is trusted
}

func TestCallersAreHeldToARate(t *testing.T) {
	t.Parallel()
	var audited bytes.Buffer
	var mu sync.Mutex
	log, err := observe.NewLogger(lockedWriter{&mu, &audited}, "json", "info")
	if err != nil {
		t.Fatal(err)
	}
	s := known(t, api.Options{Admission: api.Admission{Callers: limit.NewRates(0.001, 2)}, Observer: observe.New(observe.Audit(log))})
	one, other := s.key(auth.Key{Name: "one"}), s.key(auth.Key{Name: "other"})
	s.do("POST", "/v1/users", `{"name":"Ada","email":"ada@example.com"}`, "X-API-Key: "+one).is(201).sends("RateLimit", `"caller";r=1;t=1000`)
	s.do("POST", "/v1/_transactions", `{"operations":[{"create":"users","document":{"name":"Bob","email":"secret@example.com"}},{"read":"users","id":1}]}`, "X-API-Key: "+one).is(200)
	s.do("GET", "/v1/users", "", "X-API-Key: "+one).problem(429, "too-many-requests")
	s.do("GET", "/v1/users", "", "X-API-Key: "+other).is(200)
	s.do("GET", "/v1/users", "").problem(401, "unauthenticated")
	s.do("PATCH", "/v1/users?name=Ada", `{"name":"Eve"}`, "X-API-Key: "+other).is(200)
	mu.Lock()
	defer mu.Unlock()
	text := audited.String()
	for _, want := range []string{
		`"msg":"written","method":"POST","route":"/v1/{collection}","action":"create","collection":"users","documents":1,"ids":["1"]`,
		`"route":"/v1/_transactions","action":"create","collection":"users","documents":1,"ids":["2"]`,
		`"method":"PATCH","route":"/v1/{collection}","action":"merge","collection":"users","documents":1`,
		`"msg":"not let in","method":"GET","route":"/v1/{collection}","status":429,"address":"127.0.0.1"`,
		`"msg":"not let in","method":"GET","route":"/v1/{collection}","status":401,"address":"127.0.0.1"`,
		`"caller":"key:`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "example.com") || strings.Contains(text, "Ada") || strings.Contains(text, one) || strings.Count(text, "\n") != 5 {
		t.Errorf("the audit:\n%s", text)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// What is retried with the same key, or rolled back, is audited once or never.
func TestTheAuditHasWhatHolds(t *testing.T) {
	t.Parallel()
	var written []observe.Write
	s := start(t, exampleModel(t, "blog"))
	s.serve(api.Options{Observer: observe.New(observe.Subscriber{Write: func(_ context.Context, w observe.Write) { written = append(written, w) }})})
	const ada = `{"name":"Ada","email":"ada@example.com"}`
	s.do("POST", "/v1/users", ada, "Idempotency-Key: k").is(201)
	s.do("POST", "/v1/users", ada, "Idempotency-Key: k").is(201)
	s.do("POST", "/v1/users", ada).is(409)
	s.do("POST", "/v1/_transactions", `{"operations":[{"delete":"users","id":1}]}`, "Prefer: tx=rollback").is(200)
	s.do("DELETE", "/v1/users?name=Nobody", "").is(200)
	s.do("DELETE", "/v1/users/1", "").is(204)
	if len(written) != 2 || written[0].Action != "create" || written[1].Action != "delete" || written[1].IDs[0] != "1" {
		t.Errorf("%+v", written)
	}
}

func TestOriginsThatMayReadAnswers(t *testing.T) {
	t.Parallel()
	const page, other = "https://app.example.com", "https://evil.example.com"
	s := start(t, exampleModel(t, "blog"))
	s.serve(api.Options{Origins: api.Origins{page}})
	s.do("GET", "/v1/users", "", "Origin: "+page).is(200).sends("Access-Control-Allow-Origin", page).sends("Access-Control-Allow-Credentials", "")
	for _, origin := range []string{other, "null", "https://app.example.com.evil.com", "http://app.example.com", strings.ToUpper(page)} {
		s.do("GET", "/v1/users", "", "Origin: "+origin).is(200).sends("Access-Control-Allow-Origin", "")
	}
	vary := s.do("GET", "/v1/users", "").is(200).header["Vary"]
	if strings.Join(vary, ", ") != "Accept, Origin" {
		t.Errorf("Vary is %q: a cache would give one origin the answer to another", vary)
	}
	preflight := func(origin string) *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.url+"/v1/users/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", origin)
		request.Header.Set("Access-Control-Request-Method", "PATCH")
		response, err := s.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response
	}
	if got := preflight(page); got.StatusCode != 204 || !strings.Contains(got.Header.Get("Access-Control-Allow-Methods"), "PATCH") ||
		!strings.Contains(got.Header.Get("Access-Control-Allow-Headers"), "Authorization") || got.Header.Get("Vary") != "Origin" {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	if got := preflight(other); got.Header.Get("Access-Control-Allow-Origin") != "" || got.Header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	s.serve(api.Options{Origins: api.Origins{"*"}})
	s.do("GET", "/v1/users", "", "Origin: "+other).is(200).sends("Access-Control-Allow-Origin", "*")
	s.serve(api.Options{})
	s.do("GET", "/v1/users", "", "Origin: "+page).is(200).sends("Access-Control-Allow-Origin", "")
	if got := preflight(page); got.Header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("without a list: %v", got.Header)
	}
}

func TestARequestThatIsBrokenOffLeaves(t *testing.T) {
	t.Parallel()
	s := start(t, exampleModel(t, "blog"))
	s.serve(api.Options{Admission: api.Admission{Concurrent: 1}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	for deadline := time.Now().Add(30 * time.Second); s.do("GET", "/v1/users", "").status != 503; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the second request is never shed")
		}
	}
	_ = conn.Close()
	for deadline := time.Now().Add(30 * time.Second); s.do("GET", "/v1/users", "").status != 200; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the place is never free again")
		}
	}
}
