package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
	"pgregory.net/rapid"
)

var allFacts = cmp.AllowUnexported(uriFacts{})

func TestReadURI(t *testing.T) {
	plain := uriFacts{verified: true}
	encrypted := uriFacts{tls: true, verified: true}
	tests := []struct {
		uri  string
		want uriFacts
	}{
		{"mongodb://db", plain},
		{"MongoDB://db", plain},
		{"mongodb://a:1,b:65535/?replicaSet=rs", plain},
		{"mongodb://[::1]:27017/shop", uriFacts{database: "shop", verified: true}},
		{"mongodb://ada:hun%40ter2@db/my%2Dshop", uriFacts{database: "my-shop", verified: true}},
		{"mongodb://%2Ftmp%2Fmongodb-27017.sock/", plain},
		{"mongodb://db/?tls=true", encrypted},
		{"mongodb://db?ssl=true", encrypted},
		{"mongodb://db/?TLS=true&w=majority", encrypted},
		{"mongodb://db/?tlsCAFile=/ca.pem", encrypted},
		{"mongodb://db/?tls=TRUE", plain},
		{"mongodb://db/?tls=true&ssl=false", plain},
		{"mongodb+srv://db.example", encrypted},
		{"mongodb+srv://ada:hunter2@db.example/shop?tls=false", uriFacts{database: "shop", verified: true}},
		{"mongodb://db/?tls=true&tlsInsecure=true", uriFacts{tls: true}},
		{"mongodb://db/?tls=true&tlsInsecure=false", encrypted},
		{"mongodb://db/?tls=true&tlsAllowInvalidCertificates=true", uriFacts{tls: true}},
		{"mongodb://db/?tls=true&sslInsecure=1", uriFacts{tls: true}},
	}
	for _, test := range tests {
		t.Run(test.uri, func(t *testing.T) {
			got, err := readURI(test.uri)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, allFacts); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadURIRefuses(t *testing.T) {
	const encoding = "the user name or password is not percent-encoded"
	tests := []struct{ uri, want string }{
		{"", "it does not begin with mongodb:// or mongodb+srv://"},
		{"db:27017", "it does not begin with mongodb:// or mongodb+srv://"},
		{"postgres://db", "it does not begin with mongodb:// or mongodb+srv://"},
		{"mongodb://", "a host or port in it is none"},
		{"mongodb://db,", "a host or port in it is none"},
		{"mongodb://db:port", "a host or port in it is none"},
		{"mongodb://db:0", "a port in it is none"},
		{"mongodb://db:65536", "a port in it is none"},
		{"mongodb://ada:hun@ter2@db", encoding},
		{"mongodb://ada:hun:ter2@db", encoding},
		{"mongodb://ada:hun%zzter2@db", encoding},
		{"mongodb://ada:hun/ter2@db", "a host or port in it is none"},
		{"mongodb://ada:12/34@db", "the name of the database in it is none, or the password is not percent-encoded"},
		{"mongodb+srv://db:27017", "a mongodb+srv:// string names one host and no port"},
		{"mongodb+srv://a,b", "a mongodb+srv:// string names one host and no port"},
		{"mongodb://db/?tls", "an option in it has no value"},
	}
	for _, test := range tests {
		t.Run(test.uri, func(t *testing.T) {
			if facts, err := readURI(test.uri); err == nil || err.Error() != test.want {
				t.Errorf("%+v, error %v, want %q", facts, err, test.want)
			}
		})
	}
}

// The driver has the last word on a connection string. What is taken for
// encrypted and verified here must be so there.
func TestReadURINeverTakesMoreForEncryptedThanTheDriver(t *testing.T) {
	option := rapid.SampledFrom([]string{
		"tls=true", "tls=false", "ssl=true", "ssl=false", "TLS=true", "tlsInsecure=true", "tlsInsecure=false", "tls=1",
		"sslInsecure=true", "tlsCAFile=/ca.pem", "tlsCertificateKeyFile=/key.pem", "w=majority", "replicaSet=rs", "tls=True",
	})
	rapid.Check(t, func(t *rapid.T) {
		uri := "mongodb://ada:hunter2@a:1,b:2/shop?"
		for _, o := range rapid.SliceOfN(option, 0, 4).Draw(t, "options") {
			uri += o + "&"
		}
		uri = uri[:len(uri)-1] // the last & or ?
		driver, err := connstring.Parse(uri)
		if err != nil {
			t.Skip("the driver refuses it")
		}
		facts, err := readURI(uri)
		if err != nil {
			t.Fatalf("%s: the driver takes it: %v", uri, err)
		}
		if facts.tls && !driver.SSL {
			t.Fatalf("%s: is plain", uri)
		}
		if facts.verified && driver.SSLInsecure {
			t.Fatalf("%s: is not verified", uri)
		}
		if facts.database != driver.Database {
			t.Fatalf("%s: the database is %q", uri, driver.Database)
		}
	})
}
