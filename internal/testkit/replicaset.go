package testkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/store"
)

// ReplicaSet is a replica set of three members on this machine, for tests that
// kill some of them. A test that fails prints how to run it again.
type ReplicaSet struct {
	t       testing.TB
	members []*setMember
}

// setMember is one mongod of a set. server is nil while it is down.
type setMember struct {
	folder string
	port   int
	server *mongod.Server
}

const replicaSetName = "proof"

// StartReplicaSet returns a set that has a primary. It is gone when the test
// ends.
func StartReplicaSet(t testing.TB) *ReplicaSet {
	t.Helper()
	r := &ReplicaSet{t: t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to run it again: go test -race -count=1 -run '^%s$' ./internal/proof", strings.ReplaceAll(t.Name(), "/", "$/^"))
		}
		r.stop()
	})
	for range 3 {
		m := &setMember{folder: t.TempDir()}
		r.start(m)
		r.members = append(r.members, m)
	}
	r.initiate()
	r.Primary()
	return r
}

// start starts a member, on the port that it had before.
func (r *ReplicaSet) start(m *setMember) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	options := mongodOptions(m.folder)
	options.ReplicaSet, options.NoInitiate, options.Port = replicaSetName, true, m.port
	server, err := mongod.Start(ctx, options)
	if err != nil {
		r.t.Fatal(err)
	}
	m.server = server
	if _, err := fmt.Sscanf(server.Address(), "127.0.0.1:%d", &m.port); err != nil {
		r.t.Fatal(err)
	}
}

// initiate makes a set of the members. They miss a dead primary after a second,
// where MongoDB's own setting is ten.
func (r *ReplicaSet) initiate() {
	r.t.Helper()
	hosts := bson.A{}
	for i, m := range r.members {
		hosts = append(hosts, bson.D{{Key: "_id", Value: i}, {Key: "host", Value: m.server.Address()}})
	}
	config := bson.D{{Key: "_id", Value: replicaSetName}, {Key: "members", Value: hosts}, {Key: "settings", Value: bson.D{
		{Key: "electionTimeoutMillis", Value: 1000}, {Key: "heartbeatIntervalMillis", Value: 200}, {Key: "heartbeatTimeoutSecs", Value: 1},
	}}}
	if _, err := r.admin(r.members[0], bson.D{{Key: "replSetInitiate", Value: config}}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *ReplicaSet) admin(m *setMember, command bson.D) (bson.Raw, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return store.Admin(ctx, m.server.URI(), command)
}

// URI returns the connection string of the set.
func (r *ReplicaSet) URI() string {
	hosts := make([]string, len(r.members))
	for i, m := range r.members {
		hosts[i] = fmt.Sprintf("127.0.0.1:%d", m.port)
	}
	return "mongodb://" + strings.Join(hosts, ",") + "/?replicaSet=" + replicaSetName
}

const electionLimit = time.Minute

// Primary waits until a member that is up is the writable primary, and returns
// its address.
func (r *ReplicaSet) Primary() string {
	r.t.Helper()
	return r.primary().server.Address()
}

func (r *ReplicaSet) primary() *setMember {
	r.t.Helper()
	const pause = 20 * time.Millisecond
	for until := time.Now().Add(electionLimit); time.Now().Before(until); time.Sleep(pause) {
		for _, m := range r.members {
			if m.server == nil {
				continue
			}
			reply, err := r.admin(m, bson.D{{Key: "hello", Value: 1}})
			if writable, _ := reply.Lookup("isWritablePrimary").BooleanOK(); err == nil && writable {
				return m
			}
		}
	}
	r.t.Fatalf("the set has no primary after %v", electionLimit)
	return nil
}

// KillPrimary ends the primary as a crash would (kill -9) and returns what
// brings it back.
func (r *ReplicaSet) KillPrimary() (restart func()) {
	r.t.Helper()
	m := r.primary()
	if err := syscall.Kill(m.server.PID(), syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
	<-m.server.Done()
	r.release(m)
	return func() { r.start(m) }
}

// HideCommits lets one more write be acknowledged, by the primary and one other
// member, which is not told so any more: as if the primary died in that moment, which
// is what is to happen next. The third member takes no writes until release, so that
// the next primary cannot commit what would show it. The write may come too late for
// that, and is not acknowledged then: release, and try again.
func (r *ReplicaSet) HideCommits() (release func()) {
	r.t.Helper()
	primary := r.primary()
	third := r.members[slices.IndexFunc(r.members, func(m *setMember) bool { return m != primary })]
	r.failpoint(third, "stopReplProducer", "alwaysOn")
	afterTheWrite := bson.D{{Key: "skip", Value: 1}}
	r.failpoint(primary, hangTail, afterTheWrite)
	return func() {
		for _, m := range r.members {
			if m.server != nil {
				r.failpoint(m, "stopReplProducer", "off")
				r.failpoint(m, hangTail, "off")
			}
		}
	}
}

// hangTail is the failpoint that holds up who follows the log of a member, where
// there is no more of it to be told.
const hangTail = "planExecutorHangBeforeShouldWaitForInserts"

func (r *ReplicaSet) failpoint(m *setMember, name string, mode any) {
	r.t.Helper()
	data := bson.D{{Key: "namespace", Value: "local.oplog.rs"}} // read by hangTail alone
	if _, err := r.admin(m, bson.D{{Key: "configureFailPoint", Value: name}, {Key: "mode", Value: mode}, {Key: "data", Value: data}}); err != nil {
		r.t.Fatal(err)
	}
}

// release frees the folder of a member that is down.
func (r *ReplicaSet) release(m *setMember) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := m.server.Stop(ctx); err != nil {
		r.t.Error(err)
	}
	m.server = nil
}

// stop kills the members: a test has no use for what they hold, and a member
// that shuts down in order waits for the others.
func (r *ReplicaSet) stop() {
	for _, m := range r.members {
		if m.server == nil {
			continue
		}
		if err := syscall.Kill(m.server.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			r.t.Error(err)
		}
		r.release(m)
	}
}
