// Package limit says who may ask now: how often each caller or address may, and
// which address a request came from.
package limit

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rates holds callers, or addresses, to a rate: each has a bucket of tokens that
// fills at the rate, and takes one a request. A nil *Rates holds nobody. It is
// safe for concurrent use.
type Rates struct {
	rate  rate.Limit
	burst int
	// most is how many buckets a generation has at most.
	most int
	// full is how long an empty bucket takes to fill.
	full time.Duration

	mu sync.Mutex
	// young are the buckets that were asked for since turned, old those of the
	// time before. One that is in neither would be full, unless there were too
	// many: then some callers get a full one too early, and the memory stays
	// bounded.
	young, old map[string]*rate.Limiter
	turned     time.Time
}

// State is what a bucket says of a request.
type State struct {
	// OK says that the request may go on.
	OK bool
	// Limit is how many tokens a full bucket has, Left how many are there now.
	Limit, Left int
	// Window is how long an empty bucket takes to fill, Reset how long this one
	// does, and Retry how long it takes to have a token; zero where it has one.
	Window, Reset, Retry time.Duration
}

// mostBuckets bounds what a flood of addresses makes the service remember, to
// some 20 MB.
const mostBuckets = 50_000

// NewRates returns a Rates of so many requests a second, which may come at once
// as far as burst goes; nil for a rate of 0.
func NewRates(perSecond float64, burst int) *Rates {
	if perSecond == 0 {
		return nil
	}
	return &Rates{
		rate: rate.Limit(perSecond), burst: burst, most: mostBuckets,
		full:  time.Duration(float64(burst) / perSecond * float64(time.Second)),
		young: make(map[string]*rate.Limiter),
	}
}

// Take takes a token out of the bucket of a name.
func (r *Rates) Take(name string, now time.Time) State {
	bucket := r.bucket(name, now)
	s := State{OK: bucket.AllowN(now, 1), Limit: r.burst, Window: r.full}
	tokens := bucket.TokensAt(now)
	s.Left = int(math.Max(tokens, 0))
	s.Reset = r.after(float64(r.burst) - tokens)
	if !s.OK {
		s.Retry = r.after(1 - tokens)
	}
	return s
}

// after returns how long it takes for so many tokens to come.
func (r *Rates) after(tokens float64) time.Duration {
	return time.Duration(math.Max(tokens, 0) / float64(r.rate) * float64(time.Second))
}

func (r *Rates) bucket(name string, now time.Time) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= r.most || now.Sub(r.turned) > r.full {
		r.old, r.young, r.turned = r.young, make(map[string]*rate.Limiter), now
	}
	bucket := r.young[name]
	if bucket == nil {
		if bucket = r.old[name]; bucket == nil {
			bucket = rate.NewLimiter(r.rate, r.burst)
		}
		r.young[name] = bucket
	}
	return bucket
}
