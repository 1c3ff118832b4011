package client_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/sheafdb/sheaf/pkg/client"
)

// lossy loses the answers of some requests, after they were carried out.
type lossy struct {
	http.RoundTripper
	losses atomic.Int64
}

var errLost = errors.New("the answer is lost")

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err == nil && l.losses.Add(-1) >= 0 {
		_ = response.Body.Close()
		return nil, errLost
	}
	return response, err
}

func TestAWriteWithAKeyIsSentAgain(t *testing.T) {
	server := blog(t)
	c, network := client.New(server.URL), &lossy{RoundTripper: server.Client().Transport}
	c.HTTP = &http.Client{Transport: network}
	users, ctx := client.Of[user](c, "users"), t.Context()
	for _, key := range []string{"plain", `with "quotes" and \`} {
		network.losses.Store(2)
		first, err := users.Create(client.WithIdempotencyKey(ctx, key), user{Name: "Ada", Email: key[:4] + "@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := users.Create(client.WithIdempotencyKey(ctx, key), user{Name: "Ada", Email: key[:4] + "@example.com"}); err != nil || again != first {
			t.Errorf("created %+v, then %+v, %v", first, again, err)
		}
	}
	network.losses.Store(1)
	if _, err := users.Create(ctx, user{Name: "Ben", Email: "ben@example.com"}); !errors.Is(err, errLost) {
		t.Errorf("a write without a key was sent again: %v", err)
	}
}

func TestSession(t *testing.T) {
	server := blog(t)
	c, network := client.New(server.URL), &lossy{RoundTripper: server.Client().Transport}
	c.HTTP = &http.Client{Transport: network}
	users, ctx := client.Of[user](c, "users"), t.Context()
	create := func(ctx context.Context, name string) user {
		t.Helper()
		created, err := users.Create(ctx, user{Name: name, Email: name + "@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		return created
	}
	for _, keep := range []bool{true, false} {
		session, err := c.Begin(ctx)
		if err != nil || session.ExpiresAt.IsZero() {
			t.Fatal(err)
		}
		in := session.Context(ctx)
		created := create(in, map[bool]string{true: "ada", false: "ben"}[keep])
		if _, err := users.Get(ctx, created.ID); !client.Is(err, client.NotFound) {
			t.Errorf("seen from outside: %v", err)
		}
		if got, err := users.Get(in, created.ID); err != nil || got != created {
			t.Errorf("read %+v, %v", got, err)
		}
		end := session.Abort
		if keep {
			end = session.Commit
			network.losses.Store(2)
		}
		if err := end(ctx); err != nil {
			t.Error(err)
		}
		if _, err := users.Get(ctx, created.ID); (err == nil) != keep {
			t.Errorf("after its end: %v", err)
		}
		if _, err := users.Get(in, created.ID); !client.Is(err, client.SessionGone) {
			t.Errorf("in a session that is over: %v", err)
		}
	}
}
