package config

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// uriFacts are what a connection string says that decides whether to use it.
type uriFacts struct {
	// database is the name in it, empty for none.
	database string
	// tls is set where the connection is encrypted, verified where the server's
	// certificate is checked as well.
	tls, verified bool
}

const srvScheme = "mongodb+srv"

// readURI reads a connection string as MongoDB's specification has it, without
// asking the network for what mongodb+srv stands for. In doubt it takes a
// connection for plain. Errors quote nothing of the string.
func readURI(uri string) (uriFacts, error) {
	scheme, rest, ok := strings.Cut(uri, "://")
	scheme = strings.ToLower(scheme)
	if !ok || (scheme != "mongodb" && scheme != srvScheme) {
		return uriFacts{}, errors.New("it does not begin with mongodb:// or mongodb+srv://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, database, _ := strings.Cut(rest, "/")
	if err := checkAuthority(authority, scheme == srvScheme); err != nil {
		return uriFacts{}, err
	}
	database, err := url.PathUnescape(database)
	if err != nil || strings.ContainsAny(database, "@/") {
		return uriFacts{}, errors.New("the name of the database in it is none, or the password is not percent-encoded")
	}
	facts, err := readOptions(query)
	facts.database, facts.tls = database, facts.tls || (scheme == srvScheme && !switchedOff(query))
	return facts, err
}

// checkAuthority checks user:password@host:port,host:port.
func checkAuthority(authority string, srv bool) error {
	hosts := authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		hosts = authority[at+1:]
		if !userPattern.MatchString(authority[:at]) {
			return errors.New("the user name or password is not percent-encoded")
		}
	}
	list := strings.Split(hosts, ",")
	if srv && (len(list) > 1 || strings.Contains(hosts, ":")) {
		return errors.New("a mongodb+srv:// string names one host and no port")
	}
	for _, host := range list {
		if err := checkHost(host); err != nil {
			return err
		}
	}
	return nil
}

// userPattern is a name and perhaps a password, percent-encoded.
var userPattern = regexp.MustCompile(`^([^:@%\[\]?#]|%[0-9A-Fa-f]{2})+(:([^:@%\[\]?#]|%[0-9A-Fa-f]{2})*)?$`)

func checkHost(host string) error {
	parts := hostPattern.FindStringSubmatch(host)
	if parts == nil || parts[1] == "" {
		return errors.New("a host or port in it is none")
	}
	if parts[2] == "" {
		return nil
	}
	if port, err := strconv.ParseUint(parts[2][1:], 10, 16); err != nil || port == 0 {
		return errors.New("a port in it is none")
	}
	return nil
}

// readOptions reads what the options say of TLS. Their names count in any case.
func readOptions(query string) (uriFacts, error) {
	facts := uriFacts{verified: true}
	for name, value := range options(query) {
		switch {
		case value == "":
			return facts, errors.New("an option in it has no value")
		case (name == "tls" || name == "ssl") && value == "true",
			name == "tlscafile", name == "tlscertificatekeyfile", name == "sslcertificateauthorityfile", name == "sslclientcertificatekeyfile":
			facts.tls = true
		case strings.HasSuffix(name, "insecure") || strings.Contains(name, "allowinvalid"):
			facts.verified = facts.verified && value == "false"
		}
	}
	facts.tls = facts.tls && !switchedOff(query)
	return facts, nil
}

// switchedOff reports whether an option says that there be no TLS, which counts
// more than another that says there be.
func switchedOff(query string) bool {
	for name, value := range options(query) {
		if (name == "tls" || name == "ssl") && value != "true" {
			return true
		}
	}
	return false
}

// options yields the names, in lower case, and values of a query.
func options(query string) func(yield func(name, value string) bool) {
	return func(yield func(string, string) bool) {
		for option := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(option, "=")
			if option != "" && !yield(strings.ToLower(name), value) {
				return
			}
		}
	}
}
