package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSecretShowsWhatIsNotSecret(t *testing.T) {
	tests := []struct{ name, secret, want string }{
		{"none", "", ""},
		{"a token", "hunter2", "***"},
		{"no password", "mongodb://db.example:27017/shop?tls=true", "mongodb://db.example:27017/shop?tls=true"},
		{"user only", "mongodb://ada@db.example", "mongodb://ada@db.example"},
		{"password", "mongodb://ada:hunter2@db.example/shop", "mongodb://ada:***@db.example/shop"},
		{"several hosts", "mongodb://ada:hunter2@a:1,b:2/?replicaSet=rs", "mongodb://ada:***@a:1,b:2/?replicaSet=rs"},
		{"address", "mongodb://[::1]:27017/", "mongodb://[::1]:27017/"},
		{"srv", "mongodb+srv://ada:hunter2@db.example/", "mongodb+srv://ada:***@db.example/"},
		{"case of the scheme", "MongoDB://ada:hunter2@db", "MongoDB://ada:***@db"},
		{"at sign in the password", "mongodb://ada:hunt@er2@db.example", "mongodb://ada:***@db.example"},
		{"slash in the password", "mongodb://ada:hunt/er2@db.example/shop", "mongodb://ada:***@db.example/shop"},
		{"question mark in the password", "mongodb://ada:hunt?er2@db.example", "mongodb://***"},
		{"host forgotten", "mongodb://ada:hunter2", "mongodb://***"},
		{"scheme forgotten", "ada:hunter2@db.example", "***"},
		{"another scheme", "postgres://ada:hunter2@db.example", "***"},
		{"blank before", " mongodb://ada:hunter2@db.example", "***"},
		{"line break", "mongodb://ada:hunter2@db\nx", "***"},
		{"password of a key", "mongodb://db/?tls=true&tlsCertificateKeyFilePassword=hunter2", "mongodb://db/?tls=true&tlsCertificateKeyFilePassword=***"},
		{"escaped option name", "mongodb://db/?proxy%50assword=hunter2", "mongodb://db/?proxy%50assword=***"},
		{"session token", "mongodb://db/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2", "mongodb://db/?authMechanismProperties=***"},
		{"at sign in an option", "mongodb://db/?tlsCertificateKeyFilePassword=hunt@er2", "mongodb://***"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := (Secret{test.secret}).String(); got != test.want {
				t.Errorf("shows %q, want %q", got, test.want)
			}
		})
	}
}

func TestNoPrintShowsASecret(t *testing.T) {
	secret := Secret{"mongodb://ada:hunter2@db"}
	cfg := Config{MongoDB: MongoDB{URI: secret}}
	var prints []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%c", "%t", "%e", "%5.2f", "%T%v"} {
		prints = append(prints, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, &secret), fmt.Sprintf(verb, cfg), fmt.Sprintf(verb, []Secret{secret}))
	}
	prints = append(prints, secret.GoString())
	document, err := json.Marshal(map[string]any{"config": cfg, "secret": &secret})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("x", "secret", secret, "config", cfg, "pointer", &cfg)
	}
	for _, print := range append(prints, string(document), log.String()) {
		// 68756e746572 and 104 117 are hunter in hexadecimal and in numbers.
		for _, leak := range []string{"hunter", "68756e746572", "68756E746572", "104 117"} {
			if strings.Contains(print, leak) {
				t.Errorf("a print shows the password: %s", print)
			}
		}
	}
}

// word is text that is found in no redacted URI by chance.
var word = rapid.StringMatching(`[A-Z]{6,12}`)

func TestNoPasswordIsShown(t *testing.T) {
	joints := rapid.SampledFrom([]string{"", "@", "/", "?", ":", "#", "%", "&", "=", " ", "\n", "%40", "é", "\x00", "[", ","})
	rapid.Check(t, func(t *rapid.T) {
		first, second, third := word.Draw(t, "first"), word.Draw(t, "second"), word.Draw(t, "third")
		password := first + joints.Draw(t, "joint") + second + joints.Draw(t, "joint") + third
		scheme := rapid.SampledFrom([]string{"mongodb://", "mongodb+srv://", "mongodb:/", "http://", ""}).Draw(t, "scheme")
		end := rapid.SampledFrom([]string{"@db", "@db:1,c:2/shop", "@db/?tls=true", "@", "@db/?a=b@c"}).Draw(t, "end")
		for _, shown := range []string{
			Secret{scheme + "ada:" + password + end}.String(),
			Secret{"mongodb://ada:" + url.QueryEscape(password) + end}.String(),
			Redact("the URI \"mongodb://ada:" + password + end + "\" is wrong"),
		} {
			for _, part := range []string{first, second, third} {
				if strings.Contains(shown, part) {
					t.Fatalf("%q shows %q", shown, part)
				}
			}
		}
	})
}

func FuzzRedactKeepsOtherText(f *testing.F) {
	f.Add("mongodb://a:b@c")
	f.Add("no connection string")
	f.Fuzz(func(t *testing.T, text string) {
		got := Redact(text)
		if !strings.Contains(strings.ToLower(text), "mongodb") && got != text {
			t.Errorf("Redact changes %q to %q", text, got)
		}
		if again := Redact(got); len(again) > len(got)+len(redacted) {
			t.Errorf("Redact grows %q to %q", got, again)
		}
	})
}
