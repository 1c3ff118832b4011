package api

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/limit"
)

// Admission bounds how much the service does at once, and how often each may ask.
// The zero value admits everything.
type Admission struct {
	// Concurrent is how many requests are under way at most, 0 for any number.
	Concurrent int64
	// Addresses are the rates of the addresses that requests come from, Callers
	// those of callers that proved who they are; nil for none.
	Addresses, Callers *limit.Rates
	// Proxies are those whose word about an address counts.
	Proxies limit.Proxies
}

// enter lets a request in, who must leave then, or sheds it where the service has
// too much to do or its address asks too often. Probes always get in: who watches
// the service must see it when it is busy.
func (x *exchange) enter() error {
	a := &x.service.options.Admission
	if n := x.service.underWay.Add(1); a.Concurrent > 0 && n > a.Concurrent {
		x.service.underWay.Add(-1)
		return fault.New(fault.Overloaded, "the service answers %d requests already", a.Concurrent)
	}
	if a.Addresses == nil {
		return nil
	}
	err := x.pace("address", a.Addresses, limit.Network(a.Proxies.Client(x.request)))
	if err != nil {
		x.leave()
	}
	return err
}

func (x *exchange) leave() { x.service.underWay.Add(-1) }

// paceCaller holds who asks to the rate of callers.
func (x *exchange) paceCaller() error {
	rates := x.service.options.Admission.Callers
	if rates == nil {
		return nil
	}
	principal := auth.From(x.request.Context())
	if principal == nil {
		return nil // anybody: held by the address
	}
	return x.pace("caller", rates, principal.Caller())
}

// pace takes a token out of a bucket, and tells how it stands in the headers of
// draft-ietf-httpapi-ratelimit-headers-10.
func (x *exchange) pace(policy string, rates *limit.Rates, name string) error {
	s := rates.Take(name, time.Now())
	header, item := x.Header(), `"`+policy+`"`
	header.Add("RateLimit-Policy", item+";q="+strconv.Itoa(s.Limit)+";w="+seconds(s.Window))
	header.Add("RateLimit", item+";r="+strconv.Itoa(s.Left)+";t="+seconds(s.Reset))
	if s.OK {
		return nil
	}
	refused := fault.New(fault.TooManyRequests, "the %s asks more often than the service allows", policy)
	refused.RetryAfter = s.Retry
	return refused
}

// suspect returns the address of a request that was refused for who asked, or how
// often.
func (x *exchange) suspect() string {
	if x.status != http.StatusUnauthorized && x.status != http.StatusTooManyRequests {
		return ""
	}
	return x.service.options.Admission.Proxies.Client(x.request).String()
}

// seconds rounds up: who waits so long waits long enough.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// crossOrigin answers what browsers ask about the origins that may read answers
// (Fetch standard, section 3.3), and reports whether that was all: a preflight.
// Credentials of browsers, such as cookies, are never admitted: callers prove who
// they are by a header that a page sets itself.
func (x *exchange) crossOrigin(r *http.Request) (preflight bool) {
	allowed := x.service.options.Origins
	if len(allowed) == 0 {
		return false
	}
	answer, ok := allowed.of(r.Header.Get("Origin"))
	if !ok {
		return false
	}
	header := x.Header()
	header["Access-Control-Allow-Origin"] = []string{answer}
	header["Access-Control-Expose-Headers"] = exposedHeaders
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	header["Access-Control-Allow-Methods"] = allowedMethods
	header["Access-Control-Allow-Headers"] = allowedHeaders
	header["Access-Control-Max-Age"] = maxAge
	x.WriteHeader(http.StatusNoContent)
	return true
}

// Origins are those whose pages may read answers; * is for all.
type Origins []string

func (o Origins) of(origin string) (answer string, ok bool) {
	if origin == "" {
		return "", false
	}
	for _, allowed := range o {
		if allowed == "*" || allowed == origin {
			return allowed, true
		}
	}
	return "", false
}

var (
	allowedMethods = []string{"GET, HEAD, POST, PUT, PATCH, DELETE"}
	allowedHeaders = []string{"Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, Sheaf-Session, Traceparent, X-API-Key, X-Request-Id"}
	exposedHeaders = []string{"ETag, Idempotency-Replayed, Link, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, Sheaf-Instance, Traceparent, X-Request-Id"}
	maxAge         = []string{"600"} // seconds; browsers keep it no longer than an hour or two in any case
)
