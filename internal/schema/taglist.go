package schema

// valueTags are the tags of validator/v10 that judge one value; a test holds
// that these three lists are all that it has.
var valueTags = []string{
	"alpha", "alphanum", "alphanumspace", "alphanumunicode", "alphaspace", "alphaunicode", "ascii", "base32",
	"base64", "base64rawurl", "base64url", "bcp47_language_tag", "bcp47_strict_language_tag", "bic",
	"bic_iso_9362_2014", "boolean", "btc_addr", "btc_addr_bech32", "cidr", "cidrv4", "cidrv6", "cmyk",
	"contains", "containsany", "containsrune", "country_code", "credit_card", "cron", "cve", "datauri",
	"datetime", "dns_rfc1035_label", "duration", "e164", "ein", "email", "endsnotwith", "endswith", "eq",
	"eq_ignore_case", "eth_addr", "eth_addr_checksum", "eu_country_code", "excludes", "excludesall",
	"excludesrune", "fqdn", "gt", "gte", "hexadecimal", "hexcolor", "hostname", "hostname_label",
	"hostname_port", "hostname_rfc1123", "hsl", "hsla", "html", "html_encoded", "http_url", "https_url", "ip",
	"ip4_addr", "ip6_addr", "ip_addr", "ipv4", "ipv6", "isbn", "isbn10", "isbn13", "iscolor", "isdefault",
	"iso3166_1_alpha2", "iso3166_1_alpha2_eu", "iso3166_1_alpha3", "iso3166_1_alpha3_eu",
	"iso3166_1_alpha_numeric", "iso3166_1_alpha_numeric_eu", "iso3166_2", "iso4217", "iso4217_numeric", "issn",
	"json", "jwt", "latitude", "len", "longitude", "lowercase", "lt", "lte", "luhn_checksum", "mac", "max",
	"md4", "md5", "min", "mongodb", "mongodb_connection_string", "multibyte", "ne", "ne_ignore_case", "noneof",
	"noneofci", "number", "numeric", "omitempty", "omitzero", "oneof", "oneofci", "origin", "port",
	"postcode_iso3166_alpha2", "printascii", "required", "rgb", "rgba", "ripemd128", "ripemd160", "semver",
	"sha256", "sha384", "sha512", "spicedb", "ssn", "startsnotwith", "startswith", "tcp4_addr", "tcp6_addr",
	"tcp_addr", "tiger128", "tiger160", "tiger192", "timezone", "udp4_addr", "udp6_addr", "udp_addr", "ulid",
	"unique", "unix_addr", "uppercase", "uri", "url", "url_encoded", "urn_rfc2141", "urn_rfc8141", "uuid",
	"uuid3", "uuid3_rfc4122", "uuid4", "uuid4_rfc4122", "uuid5", "uuid5_rfc4122", "uuid7", "uuid_rfc4122",
}

// typedTags are those of valueTags that judge other types than strings; the
// library applies the rest to a number or date without a word, and fails always.
var typedTags = map[fieldType][]string{
	typeInt: {"eq", "gt", "gte", "isdefault", "iso3166_1_alpha_numeric", "iso4217_numeric", "latitude", "len", "longitude",
		"lt", "lte", "max", "min", "ne", "noneof", "omitempty", "omitzero", "oneof", "port", "required"},
	typeDouble: {"eq", "gt", "gte", "isdefault", "latitude", "len", "longitude", "lt", "lte", "max", "min", "ne",
		"omitempty", "omitzero", "required"},
	typeDate: {"gt", "gte", "isdefault", "lt", "lte", "omitempty", "omitzero", "required"},
}

// structTags look at the fields of a Go struct, or steer the way through one.
var structTags = []string{
	"dive", "endkeys", "eqcsfield", "eqfield", "excluded_if", "excluded_unless", "excluded_with",
	"excluded_with_all", "excluded_without", "excluded_without_all", "fieldcontains", "fieldexcludes",
	"gtcsfield", "gtecsfield", "gtefield", "gtfield", "keys", "ltcsfield", "ltecsfield", "ltefield", "ltfield",
	"necsfield", "nefield", "nostructlevel", "omitnil", "postcode_iso3166_alpha2_field", "required_if",
	"required_unless", "required_with", "required_with_all", "required_without", "required_without_all",
	"skip_unless", "structonly", "validateFn",
}

// hostTags look into the file system: a client must not be able to ask about it.
var hostTags = []string{
	"file", "filepath", "dir", "dirpath", "image", "mimetype", "uds_exists",
}
