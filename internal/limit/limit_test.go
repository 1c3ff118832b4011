package limit

import (
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestABucketFillsAtItsRate(t *testing.T) {
	r, now := NewRates(2, 4), time.Now()
	for left := 3; left >= 0; left-- {
		if s := r.Take("a", now); !s.OK || s.Left != left || s.Limit != 4 || s.Window != 2*time.Second {
			t.Errorf("%+v, want %d left", s, left)
		}
	}
	if s := r.Take("a", now); s.OK || s.Retry != 500*time.Millisecond || s.Reset != 2*time.Second {
		t.Errorf("empty: %+v", s)
	}
	if s := r.Take("b", now); !s.OK {
		t.Errorf("another's bucket is full: %+v", s)
	}
	if s := r.Take("a", now.Add(500*time.Millisecond)); !s.OK || s.Left != 0 {
		t.Errorf("after half a second there is one: %+v", s)
	}
	if s := r.Take("a", now.Add(time.Hour)); !s.OK || s.Left != 3 {
		t.Errorf("after an hour it is full, and no more: %+v", s)
	}
}

// However many names there are, the memory is bounded, and a name that is asked
// for all the time is held to its rate.
func TestBucketsAreBounded(t *testing.T) {
	r, now, let := NewRates(1, 10), time.Now(), 0
	r.most = 100
	for i := range 10_000 {
		r.Take(strconv.Itoa(i), now)
		if i%50 == 0 && r.Take("busy", now).OK {
			let++
		}
	}
	if len(r.young)+len(r.old) > 2*r.most {
		t.Errorf("%d buckets are remembered", len(r.young)+len(r.old))
	}
	if let != 10 {
		t.Errorf("%d requests of the busy one went through, want 10", let)
	}
}

func TestRatesHoldUnderConcurrency(t *testing.T) {
	r, now := NewRates(1, 100), time.Now()
	var let atomic.Int64
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 100 {
				if r.Take("a", now).OK {
					let.Add(1)
				}
			}
		})
	}
	group.Wait()
	if let.Load() != 100 {
		t.Errorf("%d went through, want 100", let.Load())
	}
}

func TestTheAddressOfAClient(t *testing.T) {
	for _, test := range []struct{ proxies, remote, forwarded, want string }{
		{"", "192.0.2.1:999", "", "192.0.2.1"},
		{"", "192.0.2.1:999", "198.51.100.7", "192.0.2.1"}, // nobody is trusted
		{"10.0.0.0/8", "192.0.2.1:999", "198.51.100.7", "192.0.2.1"},
		{"10.0.0.0/8", "10.1.2.3:999", "198.51.100.7", "198.51.100.7"},
		{"10.0.0.0/8", "10.1.2.3:999", "203.0.113.9, 198.51.100.7", "198.51.100.7"}, // what stands before is the client's word
		{"10.0.0.0/8", "10.1.2.3:999", "198.51.100.7, 10.9.9.9", "198.51.100.7"},
		{"10.0.0.0/8", "10.1.2.3:999", "10.7.7.7, 10.9.9.9", "10.7.7.7"},
		{"10.0.0.0/8", "10.1.2.3:999", "", "10.1.2.3"},
		{"10.0.0.0/8", "10.1.2.3:999", "unknown", "10.1.2.3"},
		{"10.0.0.0/8", "10.1.2.3:999", "198.51.100.7, <script>", "10.1.2.3"},
		{"10.0.0.0/8", "[::ffff:10.1.2.3]:999", "198.51.100.7:4711", "198.51.100.7"},
		{"10.0.0.1", "10.0.0.1:1", "[2001:db8::1]:4711", "2001:db8::1"},
		{"2001:db8::/32, 10.0.0.1", "[2001:db8::5%eth0]:1", "[2001:beef::1]", "2001:beef::1"},
		{"", "@", "198.51.100.7", "invalid IP"},
	} {
		proxies, err := ParseProxies(test.proxies)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{RemoteAddr: test.remote, Header: http.Header{}}
		if test.forwarded != "" {
			r.Header["X-Forwarded-For"] = []string{test.forwarded}
		}
		if got := proxies.Client(r).String(); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
	for _, bad := range []string{"10.0.0.0/33", "example.com", "10.0.0.0/8 10.0.0.1"} {
		if _, err := ParseProxies(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestNetworks(t *testing.T) {
	for address, want := range map[string]string{"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64"} {
		if got := Network(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

// Whatever a client writes, an address that no proxy vouches for is the
// connection's own.
func FuzzClient(f *testing.F) {
	f.Add("198.51.100.7", "203.0.113.1")
	f.Add(",,, 10.0.0.1:99 ,", "[::1]")
	f.Fuzz(func(t *testing.T, first, second string) {
		proxies, _ := ParseProxies("10.0.0.0/8")
		r := &http.Request{RemoteAddr: "192.0.2.1:1", Header: http.Header{"X-Forwarded-For": {first, second}}}
		if got := proxies.Client(r).String(); got != "192.0.2.1" {
			t.Errorf("%q of an address that is no proxy's", got)
		}
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{first, second, "198.51.100.7"}
		if got := proxies.Client(r).String(); got != "198.51.100.7" {
			t.Errorf("%q, and the proxy says 198.51.100.7", got)
		}
	})
}
