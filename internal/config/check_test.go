package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCheckDatabase(t *testing.T) {
	ca := writeFile(t, "ca.pem", "")
	tests := []struct {
		name string
		set  []string
		want Problems
	}{
		{"development runs a private mongod", nil, nil},
		{"development needs no TLS", []string{"MONGODB_URI=mongodb://db"}, nil},
		{"production refuses a private mongod", []string{"SHEAF_ENV=production"}, Problems{
			"MONGODB_URI: is not set, and production does not run on a private mongod; set it to the connection string of a replica set",
		}},
		{"even one that is named", []string{"SHEAF_ENV=production", "SHEAF_MONGOD=/bin/mongod", "SHEAF_ALLOW_PLAINTEXT=true"}, Problems{
			"MONGODB_URI: is not set, and production does not run on a private mongod; set it to the connection string of a replica set",
		}},
		{"production refuses plaintext", []string{"SHEAF_ENV=production", "MONGODB_URI=mongodb://db"}, Problems{
			"MONGODB_URI: does not use TLS, which production needs; add tls=true to its options, or set SHEAF_ALLOW_PLAINTEXT=true",
		}},
		{"unless told otherwise", []string{"SHEAF_ENV=production", "MONGODB_URI=mongodb://db", "SHEAF_ALLOW_PLAINTEXT=true"}, nil},
		{"production takes TLS", []string{"SHEAF_ENV=production", "MONGODB_URI=mongodb://db/?tls=true"}, nil},
		{"production refuses unverified TLS", []string{"SHEAF_ENV=production", "MONGODB_URI=mongodb://db/?tls=true&tlsInsecure=true"}, Problems{
			"MONGODB_URI: leaves the server's certificate unverified, which production refuses; name its authority by SHEAF_MONGODB_CA_FILE, or set SHEAF_ALLOW_PLAINTEXT=true",
		}},
		{"malformed URI", []string{"MONGODB_URI=mongodb://ada:hun@ter2@db"}, Problems{
			"MONGODB_URI: mongodb://ada:***@db is not a MongoDB connection string: the user name or password is not percent-encoded; write it as mongodb://host:27017, with user and password before the host",
		}},
		{"CA file and no TLS", []string{"MONGODB_URI=mongodb://db", "SHEAF_MONGODB_CA_FILE=" + ca}, Problems{
			"SHEAF_MONGODB_CA_FILE: is set, and MONGODB_URI does not use TLS; add tls=true to its options",
		}},
		{"CA file and no URI", []string{"SHEAF_MONGODB_CA_FILE=" + ca}, Problems{
			"SHEAF_MONGODB_CA_FILE: is for the MongoDB of MONGODB_URI, which is not set",
		}},
		{"MongoDB's own database", []string{"MONGODB_DATABASE=admin"}, Problems{
			`MONGODB_DATABASE: "admin" is MongoDB's own; name another database`,
		}},
		{"no name of a database", []string{"MONGODB_DATABASE=my.shop"}, Problems{
			`MONGODB_DATABASE: "my.shop" is no name of a database: MongoDB takes 1 to 63 bytes, without blanks and the characters / \ . " $ * < > : | ?`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, report := read(t, input{environment: test.set})
			report.CheckDatabase()
			if diff := cmp.Diff(test.want, report.problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNameOfTheDatabase(t *testing.T) {
	tests := []struct {
		name string
		in   input
		want string
		from Source
	}{
		{"default", input{}, "sheaf", FromDefault},
		{"default of the profile", input{environment: []string{"SHEAF_ENV=test"}}, "sheaf_test", FromProfile},
		{"in the URI", input{environment: []string{"SHEAF_ENV=test", "MONGODB_URI=mongodb://db/shop"}}, "shop", FromURI},
		{"set", input{environment: []string{"MONGODB_URI=mongodb://db/shop"}, dotenv: "MONGODB_DATABASE=cellar"}, "cellar", FromDotenv},
		{"URI without", input{environment: []string{"MONGODB_URI=mongodb://db"}}, "sheaf", FromDefault},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg, report := read(t, test.in)
			report.CheckDatabase()
			value := report.value("mongodb-database")
			if cfg.MongoDB.Database != test.want || value.Value != test.want || value.From != test.from {
				t.Errorf("%q, reported %q from %q; want %q from %q", cfg.MongoDB.Database, value.Value, value.From, test.want, test.from)
			}
		})
	}
}

func TestTheConnectionStringSetsThePool(t *testing.T) {
	const uri = "MONGODB_URI=mongodb://db/?maxPoolSize=7&minPoolSize=2&maxIdleTimeMS=1500&connectTimeoutMS=900&serverSelectionTimeoutMS=800"
	cfg, report := read(t, input{environment: []string{uri, "SHEAF_POOL_MIN=1"}})
	report.CheckDatabase()
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	m := cfg.MongoDB
	if m.PoolMax != 7 || m.PoolMin != 1 || m.PoolIdleTimeout != 1500*time.Millisecond || m.PoolConnectionTimeout != 900*time.Millisecond || m.ServerSelectionTimeout != 800*time.Millisecond {
		t.Errorf("the pool is %+v", m)
	}
	for _, bad := range []string{"maxPoolSize=many", "maxPoolSize=3&minPoolSize=5"} {
		_, report := read(t, input{environment: []string{"MONGODB_URI=mongodb://db/?" + bad}})
		report.CheckDatabase()
		if report.Err() == nil {
			t.Errorf("%s is not refused", bad)
		}
	}
}

func TestWhatIsRefusedOfLimits(t *testing.T) {
	for _, test := range []struct{ environ, want string }{
		{"SHEAF_TRUSTED_PROXIES=10.0.0.0/40", "neither an address nor a network"},
		{"SHEAF_CORS_ORIGINS=https://app.example.com/", "is no origin"},
		{"SHEAF_CORS_ORIGINS=app.example.com", "is no origin"},
		{"SHEAF_CORS_ORIGINS=https://App.example.com", "is no origin"},
		{"SHEAF_TLS_CERT_FILE=/dev/null", "SHEAF_TLS_CERT_FILE is"},
		{"SHEAF_TLS_KEY_FILE=/dev/null", "SHEAF_TLS_KEY_FILE is"},
		{"SHEAF_TLS_CERT_FILE=/nowhere", "cannot be read"},
		{"SHEAF_CALLER_BURST=0", "1"},
	} {
		_, report := read(t, input{environment: []string{test.environ}})
		if text := report.problems.Error(); !strings.Contains(text, test.want) {
			t.Errorf("%s: %s", test.environ, text)
		}
	}
	if _, report := read(t, input{environment: []string{"SHEAF_CORS_ORIGINS=https://app.example.com, http://localhost:3000, *"}}); report.problems != nil {
		t.Errorf("origins are refused: %v", report.problems)
	}
}
