package config

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sheafdb/sheaf/internal/limit"
)

// checkFields checks what the tags of a field alone do not say.
func (r *Report) checkFields() {
	c := r.config
	if c.MongoDB.PoolMin > c.MongoDB.PoolMax {
		r.refuse("pool-min", "is %d, over SHEAF_POOL_MAX of %d", c.MongoDB.PoolMin, c.MongoDB.PoolMax)
	}
	if c.HTTP.ListLimit > c.HTTP.ListLimitMax {
		r.refuse("list-limit", "is %d, over SHEAF_LIST_LIMIT_MAX of %d", c.HTTP.ListLimit, c.HTTP.ListLimitMax)
	}
	if c.Transactions.SessionIdleTimeout > c.Transactions.SessionLifetime {
		r.refuse("session-idle-timeout", "is %s, over SHEAF_SESSION_LIFETIME of %s", c.Transactions.SessionIdleTimeout, c.Transactions.SessionLifetime)
	}
	if name := c.Transactions.Instance; len(name) > maxInstance || strings.Trim(name, instanceCharacters) != "" {
		r.refuse("instance", "must be at most %d letters, digits and - . _ ~ (it is %q)", maxInstance, name)
	}
	r.checkListen()
	r.checkMonitoring()
	r.checkFile("mongodb-ca-file", c.MongoDB.CAFile)
	r.checkTLS()
	r.checkOrigins()
	if _, err := limit.ParseProxies(c.HTTP.TrustedProxies); err != nil {
		r.refuse("trusted-proxies", "%v", err)
	}
}

// checkTLS wants a certificate and a key, or neither.
func (r *Report) checkTLS() {
	c := r.config.HTTP
	r.checkFile("tls-cert-file", c.TLSCertificate)
	r.checkFile("tls-key-file", c.TLSKey)
	switch {
	case c.TLSCertificate != "" && c.TLSKey == "":
		r.refuse("tls-key-file", "is not set, and SHEAF_TLS_CERT_FILE is")
	case c.TLSCertificate == "" && c.TLSKey != "":
		r.refuse("tls-cert-file", "is not set, and SHEAF_TLS_KEY_FILE is")
	}
}

// Scheme is that of the URLs of the service.
func (h HTTP) Scheme() string {
	if h.TLSCertificate != "" {
		return "https"
	}
	return "http"
}

// checkOrigins wants origins as browsers send them: they are compared as text.
func (r *Report) checkOrigins() {
	for _, origin := range r.config.HTTP.Origins() {
		u, err := url.Parse(origin)
		plain := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && origin == u.Scheme+"://"+u.Host && origin == strings.ToLower(origin)
		if origin != "*" && !plain {
			r.refuse("cors-origins", "%q is no origin: write it as https://app.example.com, in small letters, with no path", origin)
		}
	}
}

// Origins are those of CORSOrigins.
func (h HTTP) Origins() []string { return words(h.CORSOrigins) }

// What names an instance, so that it fits a header and the map of a load balancer.
const (
	instanceCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	maxInstance        = 64
)

func (r *Report) checkListen() {
	if listen := r.config.HTTP.Listen; !isAddress(listen) {
		r.refuse("listen", "must be host:port, such as 127.0.0.1:8080 (it is %q)", listen)
	}
}

// isAddress reports whether text is host:port.
func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	_, portErr := strconv.ParseUint(port, 10, 16)
	return err == nil && portErr == nil
}

func (r *Report) checkMonitoring() {
	m := r.config.Monitoring
	if m.AdminListen != "" && !isAddress(m.AdminListen) {
		r.refuse("admin-listen", "must be host:port, such as 127.0.0.1:9090, or :9090 for that (it is %q)", m.AdminListen)
	}
	if m.OTLPEndpoint == "" {
		return
	}
	if u, err := url.Parse(m.OTLPEndpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		r.refuse("otlp-endpoint", "must be a URL such as http://localhost:4318 (it is %q)", Redact(m.OTLPEndpoint))
	}
}

// warnOfProfiles warns of profiles that others than this machine can take.
func (r *Report) warnOfProfiles() {
	m := r.config.Monitoring
	if host, _, err := net.SplitHostPort(m.AdminAddress()); err == nil && !loopback(host) {
		r.warn("SHEAF_ADMIN_LISTEN is beyond loopback: who reaches the address can take profiles, which tell what is in memory; let a network policy or firewall admit operators alone")
	}
}

// AdminAddress is AdminListen with its host, which is loopback where none is
// named.
func (m Monitoring) AdminAddress() string {
	if strings.HasPrefix(m.AdminListen, ":") {
		return "127.0.0.1" + m.AdminListen
	}
	return m.AdminListen
}

// loopback reports whether host can be reached from this machine only. A name
// other than localhost may resolve to anything.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

func (r *Report) checkFile(flag, path string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		r.refuse(flag, "%s cannot be read: %v", path, reason(err))
		return
	}
	_ = f.Close()
}

// CheckDatabase adds the problems that concern the database, for the commands
// that use one: what production refuses, and a connection string that is none.
// Where no one else set them, it takes the database's name and the options of the
// pool from the connection string.
func (r *Report) CheckDatabase() {
	if uri := r.config.MongoDB.URI; uri.IsZero() {
		r.checkPrivate()
	} else if facts, err := readURI(uri.Reveal()); err != nil {
		r.refuse("mongodb-uri", "%s is not a MongoDB connection string: %v; write it as mongodb://host:27017, with user and password before the host", uri, err)
	} else {
		r.takeFromURI(uri.Reveal(), facts)
		r.checkTransport(facts)
	}
	r.checkName()
}

func (r *Report) checkPrivate() {
	if r.config.Profile == Production {
		r.refuse("mongodb-uri", "is not set, and production does not run on a private mongod; set it to the connection string of a replica set")
	}
	if r.config.MongoDB.CAFile != "" {
		r.refuse("mongodb-ca-file", "is for the MongoDB of MONGODB_URI, which is not set")
	}
}

// uriOptions are the options of a connection string that stand for settings.
var uriOptions = map[string]struct{ flag, unit string }{
	"maxpoolsize":              {"pool-max", ""},
	"minpoolsize":              {"pool-min", ""},
	"maxidletimems":            {"pool-idle-timeout", "ms"},
	"connecttimeoutms":         {"pool-connection-timeout", "ms"},
	"serverselectiontimeoutms": {"server-selection-timeout", "ms"},
}

// takeFromURI takes what the connection string says for want of a setting.
func (r *Report) takeFromURI(uri string, facts uriFacts) {
	r.take("mongodb-database", facts.database)
	_, query, _ := strings.Cut(uri, "?")
	for name, value := range options(query) {
		if option, ok := uriOptions[name]; ok {
			r.take(option.flag, value+option.unit)
		}
	}
	if c := r.config.MongoDB; c.PoolMin > c.PoolMax && r.value("pool-min").From == FromURI {
		r.refuse("mongodb-uri", "its minPoolSize is %d, over the maximum of %d", c.PoolMin, c.PoolMax)
	}
}

// take sets a setting that has its default to a text of the connection string.
func (r *Report) take(flag, text string) {
	value := r.value(flag)
	if text == "" || (value.From != FromDefault && value.From != FromProfile) {
		return
	}
	for _, s := range settings(r.config) {
		if s.flag != flag {
			continue
		}
		if err := s.parse(text); err != nil {
			s.reset(r.config.Profile)
			r.refuse("mongodb-uri", "an option in it, for %s, %v", s.env, err)
			return
		}
		value.Value, value.From = s.shown(), FromURI
	}
}

// maxName is the longest name of a database, in bytes.
const maxName = 63

func (r *Report) checkName() {
	name := r.config.MongoDB.Database
	switch {
	case name == "" || len(name) > maxName || strings.ContainsAny(name, "/\\. \"$*<>:|?\x00"):
		r.refuse("mongodb-database", "%q is no name of a database: MongoDB takes 1 to %d bytes, without blanks and the characters / \\ . \" $ * < > : | ?", Redact(name), maxName)
	case slices.Contains([]string{"admin", "local", "config"}, name):
		r.refuse("mongodb-database", "%q is MongoDB's own; name another database", name)
	}
}

func (r *Report) checkTransport(facts uriFacts) {
	c := r.config
	if c.MongoDB.CAFile != "" && !facts.tls {
		r.refuse("mongodb-ca-file", "is set, and MONGODB_URI does not use TLS; add tls=true to its options")
	}
	if c.Profile != Production || c.MongoDB.AllowPlaintext {
		return
	}
	switch {
	case !facts.tls:
		r.refuse("mongodb-uri", "does not use TLS, which production needs; add tls=true to its options, or set SHEAF_ALLOW_PLAINTEXT=true")
	case !facts.verified:
		r.refuse("mongodb-uri", "leaves the server's certificate unverified, which production refuses; name its authority by SHEAF_MONGODB_CA_FILE, or set SHEAF_ALLOW_PLAINTEXT=true")
	}
}
