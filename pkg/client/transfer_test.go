package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/pkg/client"
)

func TestExportAndImport(t *testing.T) {
	users := client.Of[user](client.New(blog(t).URL), "users")
	const many = 3000
	var text strings.Builder
	for i := range many {
		fmt.Fprintf(&text, "{\"id\":%d,\"name\":\"n%d\",\"email\":\"e%d@example.com\"}\n", i+1, i, i)
	}
	text.WriteString(`{"id":9999,"name":"x","email":"e1@example.com"}`)
	next := int64(0)
	counts, err := users.Import(t.Context(), client.ImportCreate, strings.NewReader(text.String()), func(r client.ImportResult) error {
		if r.Index != next || r.Index < many && (r.Status != 201 || string(r.ID) != fmt.Sprint(next+1)) || r.Index == many && !client.Is(r.Problem, client.DuplicateKey) {
			t.Errorf("result %d is %+v", next, r)
		}
		next++
		return nil
	})
	if err != nil || next != many+1 || counts.Created != many || counts.Refused != 1 || counts.Bytes != int64(text.Len()) {
		t.Fatalf("counts %+v (%v), %d results", counts, err, next)
	}
	n := 0
	for got, err := range users.Export(t.Context(), client.Where("id", client.Op{"$lte": 2000}), client.Select("name")) {
		if err != nil || got.ID != int64(n+1) || got.Name != fmt.Sprint("n", n) || got.Email != "" {
			t.Fatalf("document %d is %+v (%v)", n, got, err)
		}
		n++
	}
	if n != 2000 {
		t.Errorf("the export has %d documents", n)
	}
	counts, err = users.Import(t.Context(), client.ImportMerge, strings.NewReader(`{"id":1,"age":30} {"id":2}`), nil)
	if err != nil || counts.Changed != 1 || counts.Unchanged != 1 {
		t.Errorf("counts %+v (%v)", counts, err)
	}
	if _, err := users.Import(t.Context(), "replace", strings.NewReader(""), nil); !client.Is(err, client.InvalidParameter) {
		t.Errorf("the error is %v", err)
	}
	stop := errors.New("enough")
	if _, err := users.Import(t.Context(), client.ImportCreate, strings.NewReader(text.String()), func(client.ImportResult) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error is %v", err)
	}
	for _, err := range users.Export(t.Context(), client.Sort("name")) {
		if !client.Is(err, client.InvalidParameter) {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestAnswersThatBreakOff holds that a cut answer is an error.
func TestAnswersThatBreakOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = w.Write([]byte("{\"index\":0,\"status\":201,\"id\":1}\n"))
			return
		}
		_, _ = w.Write([]byte("{\"id\":1,\"name\":\"a\"}\n"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	users := client.Of[user](client.New(server.URL), "users")
	var last error
	n := 0
	for _, err := range users.Export(t.Context()) {
		n, last = n+1, err
	}
	if n != 2 || last == nil {
		t.Errorf("%d documents, and the end is %v", n-1, last)
	}
	if _, err := users.Import(t.Context(), client.ImportCreate, strings.NewReader("{}"), nil); err == nil {
		t.Error("an import without its last line is no error")
	}
}
