package api_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Clients that hang up in the middle of transactions leave none open on the
// server, whether the transactions share one, are alone, wait for others or are
// about to commit. Not parallel: it counts what the whole server has open.
func TestHangingUpLeavesNoTransactionOpen(t *testing.T) {
	s := start(t, ledgerModel(t))
	const accounts, clients = 40, 64
	var documents, many []string
	for i := 1; i <= accounts; i++ {
		documents = append(documents, `{"owner":"o`+strconv.Itoa(i)+`","balance":0}`)
		many = append(many, `{"update":"accounts","id":`+strconv.Itoa(i)+`,"change":{"$inc":{"balance":1}}}`)
	}
	s.do("POST", "/v1/accounts", "["+strings.Join(documents, ",")+"]").is(201)
	held := s.do("POST", "/v1/_sessions", "").is(201)
	session := held.json()["id"].(string)
	s.do("PATCH", "/v1/accounts/1", `{"tags":["held"]}`, "Sheaf-Session: "+session).is(200)

	var group sync.WaitGroup
	for client := range clients {
		operations := many // longer than what shares a transaction, and in the way of the session
		if client%2 == 0 {
			operations = many[1+client%10 : 4+client%10]
		}
		group.Go(func() {
			ctx, hangUp := context.WithTimeout(t.Context(), time.Duration(rand.IntN(200))*time.Millisecond)
			defer hangUp()
			body := strings.NewReader(`{"operations":[` + strings.Join(operations, ",") + `]}`)
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/_transactions", body)
			if err != nil {
				t.Error(err)
				return
			}
			response, err := s.client.Do(request)
			if err == nil {
				_ = response.Body.Close()
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	awaitOpen(t, s.uri, 1)
	s.do("POST", "/v1/_sessions/"+session+"/abort", "").is(204)
	awaitOpen(t, s.uri, 0)
}

// awaitOpen waits until the server has so many transactions open.
func awaitOpen(t *testing.T, uri string, want int64) {
	t.Helper()
	const limit, pause = 20 * time.Second, 10 * time.Millisecond
	var n int64
	for began := time.Now(); time.Since(began) < limit; time.Sleep(pause) {
		if n = openTransactions(t, uri); n == want {
			return
		}
	}
	t.Errorf("%d transactions are open, want %d", n, want)
}
