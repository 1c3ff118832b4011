package limit

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the addresses of those whose word about the address of a client
// counts. None are trusted by default: a client could name any address.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks such as 10.0.0.0/8, with commas
// between them.
func ParseProxies(text string) (Proxies, error) {
	var list Proxies
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			address, err := netip.ParseAddr(word)
			if err != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", word)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		list = append(list, netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()).Masked())
	}
	return list, nil
}

// Client returns the address that a request came from: that of the connection,
// or, where that is a proxy's, the last of X-Forwarded-For that is none. What
// stands before it anybody can have written.
func (p Proxies) Client(r *http.Request) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := port.Addr().Unmap().WithZone("")
	if len(p) == 0 {
		return client
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0 && p.has(client); i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			return client
		}
		client = hop
	}
	return client
}

func (p Proxies) has(address netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// parseHop reads an address, which some proxies write with a port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if port, err := netip.ParseAddrPort(text); err == nil {
		return port.Addr().Unmap().WithZone(""), true
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return address.Unmap().WithZone(""), err == nil
}

// Network names what one client has at its hand: an address of IPv4, and of IPv6
// the network of 64 bits that a subscriber gets.
func Network(address netip.Addr) string {
	const subscriber = 64
	if !address.Is6() {
		return address.String()
	}
	prefix, err := address.Prefix(subscriber)
	if err != nil {
		return address.String()
	}
	return prefix.String()
}
