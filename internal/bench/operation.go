package bench

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// request appends the n-th request of a kind.
type request func(dst []byte, s *Service, n int64) []byte

// operation is a kind of load.
type operation struct {
	name   string
	status int
	// sheaf and hand make the request as the two services take it; hand is nil
	// where the hand-written service has nothing of the kind.
	sheaf, hand request
	// base is another request to Sheaf, which this one's cost is told against
	// where there is no hand-written one.
	base request
	// guarded says that Sheaf with all guards is told against Sheaf without.
	guarded bool
	// needs are the collections that must hold documents.
	needs []string
}

// operations is the table of what can be measured.
var operations = []*operation{
	{name: "get", status: 200, sheaf: getItem, hand: getItem, needs: []string{items}},
	{name: "list", status: 200, sheaf: listPeople, hand: listPeople, needs: []string{people}},
	{name: "create", status: 201, sheaf: createItem, hand: createItem, needs: []string{items}},
	{name: "update", status: 200, sheaf: updateItem, hand: updateItem, needs: []string{items}},
	{name: "transfer", status: 200, sheaf: transact, hand: transferByHand, needs: []string{accounts}},
	{name: "invalid", status: 422, sheaf: createInvalid, hand: createInvalid, needs: []string{items}},
	{name: "page", status: 200, sheaf: farPage, base: firstPage, needs: []string{people}},
	{name: "include", status: 200, sheaf: listWithAuthors, base: listPosts, needs: []string{people, posts}},
	{name: "batch", status: 200, sheaf: createHundred, base: createTwo, needs: []string{items}},
	{name: "guarded-get", status: 200, sheaf: getItem, guarded: true, needs: []string{items}},
	{name: "guarded-create", status: 201, sheaf: createItem, guarded: true, needs: []string{items}},
}

// Guarded reports whether an operation needs the services Guarded and Open.
func Guarded(name string) bool {
	return slices.ContainsFunc(operations, func(op *operation) bool { return op.name == name && op.guarded })
}

// Operations returns the names of the operations.
func Operations() []string {
	names := make([]string, len(operations))
	for i, op := range operations {
		names[i] = op.name
	}
	return names
}

// at returns the numbers of connections that say something of the operation:
// the cost of one request to Sheaf against another is that of one client.
func (op *operation) at(connections []int) []int {
	if op.base != nil {
		return []int{1}
	}
	return connections
}

func (op *operation) pair(s Services, connections int) pair {
	p := pair{operation: op, connections: connections, a: contestant{s.Sheaf, op.sheaf, op.status}}
	switch {
	case op.guarded:
		p.a.service, p.b = s.Guarded, contestant{s.Open, op.sheaf, op.status}
	case op.base != nil:
		p.b = contestant{s.Sheaf, op.base, op.status}
	case s.Other != nil && op.hand != nil:
		p.b = contestant{s.Other, op.hand, op.status}
	}
	return p
}

// asks are the services that the operation is asked of.
func (op *operation) asks(s Services) []*Service {
	switch {
	case op.guarded:
		return []*Service{s.Guarded, s.Open}
	case op.hand != nil && s.Other != nil:
		return []*Service{s.Sheaf, s.Other}
	}
	return []*Service{s.Sheaf}
}

// The collections of the benchmark.
const (
	items    = "bench_items"
	people   = "bench_people"
	posts    = "bench_posts"
	accounts = "bench_accounts"
)

// numbers makes what has to be unique so over many runs.
var numbers = func() *atomic.Int64 {
	var n atomic.Int64
	const room = 1_000_000_000_000 // eleven days, in which no run makes more than one a microsecond
	n.Store(time.Now().UnixMicro() % room)
	return &n
}()

// spread makes neighbouring numbers ask for documents far apart.
func spread(n int64, among int) int64 {
	const golden = 0x9E3779B97F4A7C15
	return int64((uint64(n) * golden) >> 32 % uint64(among))
}

func getItem(dst []byte, s *Service, n int64) []byte {
	dst = append(dst, "GET /v1/"+items+"/"...)
	return s.end(append(dst, s.items[spread(n, len(s.items))]...))
}

// listPeople asks for twenty of an age, in the order of their addresses.
func listPeople(dst []byte, s *Service, n int64) []byte {
	return appendAges(append(dst, "GET /v1/"+people...), s, n)
}

func appendAges(dst []byte, s *Service, n int64) []byte {
	const youngest, ages, span = 18, 60, 10
	low := youngest + spread(n, ages)
	dst = strconv.AppendInt(append(dst, "?age%5Bgte%5D="...), low, 10)
	dst = strconv.AppendInt(append(dst, "&age%5Blt%5D="...), low+span, 10)
	return s.end(append(dst, "&sort=email&limit=20"...))
}

func firstPage(dst []byte, s *Service, _ int64) []byte {
	return s.end(append(dst, "GET /v1/"+people+"?sort=email&limit=10"...))
}

func farPage(dst []byte, s *Service, _ int64) []byte {
	dst = append(dst, "GET /v1/"+people+"?sort=email&limit=10&after="...)
	return s.end(append(dst, s.cursor...))
}

func listPosts(dst []byte, s *Service, _ int64) []byte {
	return s.end(append(dst, "GET /v1/"+posts+"?limit=20"...))
}

func listWithAuthors(dst []byte, s *Service, _ int64) []byte {
	return s.end(append(dst, "GET /v1/"+posts+"?limit=20&include=author"...))
}

func createItem(dst []byte, s *Service, _ int64) []byte {
	return s.body(append(dst, "POST /v1/"+items...), "application/json", func(dst []byte) []byte { return appendItem(dst, numbers.Add(1)) })
}

// createInvalid sends what both services find wrong for the same reasons.
func createInvalid(dst []byte, s *Service, _ int64) []byte {
	return s.body(append(dst, "POST /v1/"+items...), "application/json", func(dst []byte) []byte {
		return append(dst, `{"sku":"sku-1","name":"A thing","email":"nobody","price":-1,"stock":-5,"active":true,`+
			`"made":"2026-01-31T12:00:00.000Z","address":{"street":"1 Long Acre","city":"London","zip":"WC2E 9LH, London"}}`...)
	})
}

func updateItem(dst []byte, s *Service, n int64) []byte {
	dst = append(append(dst, "PATCH /v1/"+items+"/"...), s.items[spread(n, len(s.items))]...)
	return s.body(dst, "application/vnd.sheaf.update+json", func(dst []byte) []byte { return append(dst, `{"$inc":{"stock":1}}`...) })
}

// parties picks two accounts.
func parties(n int64) (from, to int64) {
	from = spread(n, seeds[accounts])
	return from, (from + 1 + spread(n+1, seeds[accounts]-1)) % int64(seeds[accounts])
}

func transact(dst []byte, s *Service, n int64) []byte {
	from, to := parties(n)
	return s.body(append(dst, "POST /v1/_transactions"...), "application/json", func(dst []byte) []byte {
		dst = strconv.AppendInt(append(dst, `{"operations":[{"update":"`+accounts+`","id":`...), from, 10)
		dst = append(dst, `,"change":{"$inc":{"balance":-1}},"require":{"balance":{"$gte":1}}},{"update":"`+accounts+`","id":`...)
		dst = strconv.AppendInt(dst, to, 10)
		return append(dst, `,"change":{"$inc":{"balance":1}}}]}`...)
	})
}

func transferByHand(dst []byte, s *Service, n int64) []byte {
	from, to := parties(n)
	return s.body(append(dst, "POST /v1/transfers"...), "application/json", func(dst []byte) []byte {
		dst = strconv.AppendInt(append(dst, `{"from":`...), from, 10)
		dst = strconv.AppendInt(append(dst, `,"to":`...), to, 10)
		return append(dst, `,"amount":1}`...)
	})
}

func createTwo(dst []byte, s *Service, _ int64) []byte     { return s.createSeveral(dst, 2) }
func createHundred(dst []byte, s *Service, _ int64) []byte { return s.createSeveral(dst, 100) }

func (s *Service) createSeveral(dst []byte, count int) []byte {
	return s.body(append(dst, "POST /v1/_transactions"...), "application/json", func(dst []byte) []byte {
		dst = append(dst, `{"operations":[`...)
		for i := range count {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendItem(append(dst, `{"create":"`+items+`","document":`...), numbers.Add(1))
			dst = append(dst, '}')
		}
		return append(dst, "]}"...)
	})
}

// appendItem writes a document of about 0.4 kB.
func appendItem(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(append(dst, `{"sku":"sku-`...), n, 10)
	dst = strconv.AppendInt(append(dst, `","name":"A thing of some use, number `...), n, 10)
	dst = strconv.AppendInt(append(dst, `","email":"maker.`...), n, 10)
	dst = strconv.AppendInt(append(dst, `@example.com","price":19.5,"stock":`...), n%1000, 10)
	return append(dst, `,"active":true,"made":"2026-01-31T12:00:00.000Z","tags":["tools","garden","steel"],`+
		`"address":{"street":"1 Long Acre","city":"London","zip":"WC2E 9LH"},`+
		`"note":"What one writes about a thing that one sells, in a sentence or two."}`...)
}

// end completes a request that has no body.
func (s *Service) end(dst []byte) []byte {
	return append(append(append(dst, " HTTP/1.1\r\nHost: bench\r\n"...), s.header...), "\r\n"...)
}

// body completes a request with a body. Its length is written into the room
// that was left for it: RFC 9110 section 8.6 lets it begin with zeros.
func (s *Service) body(dst []byte, media string, write func([]byte) []byte) []byte {
	const room = "00000000"
	dst = append(append(dst, " HTTP/1.1\r\nHost: bench\r\nContent-Type: "...), media...)
	dst = append(append(append(dst, "\r\n"...), s.header...), "Content-Length: "+room...)
	length := len(dst)
	dst = append(dst, "\r\n\r\n"...)
	start := len(dst)
	dst = write(dst)
	for i, n := length-1, len(dst)-start; n > 0; i, n = i-1, n/10 {
		dst[i] = byte('0' + n%10)
	}
	return dst
}
