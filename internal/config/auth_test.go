package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckAuth(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	tests := []struct {
		name     string
		set      []string
		want     Problems
		warnings int
	}{
		{"development runs open, and says so", nil, nil, 1},
		{"production asks who calls", []string{"SHEAF_ENV=production", "SHEAF_LISTEN=0.0.0.0:80"}, nil, 0},
		{"production does not run open", []string{"SHEAF_ENV=production", "SHEAF_AUTH=open"}, Problems{
			"SHEAF_AUTH: is open, and production does not serve anybody who asks; take the setting out, and make keys with sheaf keys create",
		}, 0},
		{"tokens and an open service", []string{"SHEAF_AUTH_JWT_SECRET=" + secret, "SHEAF_AUTH_JWT_ISSUER=i", "SHEAF_AUTH_JWT_AUDIENCE=a"}, Problems{
			"SHEAF_AUTH_JWT_SECRET: is set, and SHEAF_AUTH is open, which asks for no tokens; set SHEAF_AUTH=required",
		}, 1},
		{"a secret of nobody in particular", []string{"SHEAF_AUTH=required", "SHEAF_AUTH_JWT_SECRET=" + secret}, nil, 1},
		{"two kinds of keys", []string{"SHEAF_AUTH=required", "SHEAF_AUTH_JWT_SECRET=" + secret, "SHEAF_AUTH_JWT_PUBLIC_KEYS=x", "SHEAF_AUTH_JWT_ISSUER=i", "SHEAF_AUTH_JWT_AUDIENCE=a"}, Problems{
			"SHEAF_AUTH_JWT_PUBLIC_KEYS: is set, and so is SHEAF_AUTH_JWT_SECRET; tokens are verified by one of them, so that none is taken for the other",
		}, 0},
		{"an issuer without keys", []string{"SHEAF_AUTH=required", "SHEAF_AUTH_JWT_ISSUER=i"}, Problems{
			"SHEAF_AUTH_JWT_ISSUER: is set, and nothing verifies tokens; set SHEAF_AUTH_JWKS_URL, SHEAF_AUTH_JWT_PUBLIC_KEYS or SHEAF_AUTH_JWT_SECRET",
		}, 0},
		{"a key set of an issuer", []string{"SHEAF_AUTH=required", "SHEAF_AUTH_JWKS_URL=https://id.example.com/jwks", "SHEAF_AUTH_JWT_ISSUER=i", "SHEAF_AUTH_JWT_AUDIENCE=a,b"}, nil, 0},
		{"a key set of this machine", []string{"SHEAF_AUTH=required", "SHEAF_AUTH_JWKS_URL=http://127.0.0.1:9/jwks", "SHEAF_AUTH_JWT_ISSUER=i", "SHEAF_AUTH_JWT_AUDIENCE=a"}, nil, 0},
		{"a key set in the open, of anybody", []string{"SHEAF_AUTH=required", "SHEAF_AUTH_JWKS_URL=http://id.example.com/jwks"}, Problems{
			"SHEAF_AUTH_JWKS_URL: must be https: who changes the keys on their way can be every caller",
			"SHEAF_AUTH_JWT_ISSUER: is not set, and SHEAF_AUTH_JWKS_URL needs it: an issuer makes tokens for other services too",
			"SHEAF_AUTH_JWT_AUDIENCE: is not set, and SHEAF_AUTH_JWKS_URL needs it: an issuer makes tokens for other services too",
		}, 0},
		{"no URL", []string{"SHEAF_AUTH=required", "SHEAF_AUTH_JWKS_URL=id.example.com", "SHEAF_AUTH_JWT_ISSUER=i", "SHEAF_AUTH_JWT_AUDIENCE=a"}, Problems{
			"SHEAF_AUTH_JWKS_URL: must be a URL such as https://id.example.com/.well-known/jwks.json, without a password",
		}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, report := read(t, input{environment: test.set})
			report.CheckAuth()
			if diff := cmp.Diff(test.want, report.problems); diff != "" {
				t.Error(diff)
			}
			if len(report.Warnings()) != test.warnings {
				t.Errorf("warnings %q", report.Warnings())
			}
			if strings.Contains(report.problems.Error()+strings.Join(report.Warnings(), ""), secret) {
				t.Error("a secret is printed")
			}
		})
	}
}

func TestListsOfTokens(t *testing.T) {
	a := Auth{JWTAudience: " a, b,,", JWTAlgorithms: "ES256"}
	if diff := cmp.Diff([][]string{{"a", "b"}, {"ES256"}, nil}, [][]string{a.Audiences(), a.Algorithms(), Auth{}.Audiences()}); diff != "" {
		t.Error(diff)
	}
}
