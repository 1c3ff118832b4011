package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/sheafdb/sheaf/internal/fault"
)

// What clients are told. The driver's own words are for the log.
const (
	unavailable   = "the database cannot be reached"
	noSpace       = "the database has no room left on its disk"
	timedOut      = "the database did not answer within the time limit"
	conflicted    = "other writes to the same documents were in the way"
	tooLarge      = "this is more than MongoDB can store at once: a document is limited to 16 MiB, and a transaction to the memory of the server"
	tooMuchMemory = "the database needs more memory for this than it may take"
	badGeometry   = "a polygon is not one that the globe can hold: its edges cross, its rings do not lie within each other, or it has no area"
	unexpected    = "the database refused the command; the log has the details under this request id"
)

// The labels by which MongoDB and the driver mark errors.
const (
	labelTransient     = "TransientTransactionError"
	labelUnknownCommit = "UnknownTransactionCommitResult"
	labelRetryable     = "RetryableWriteError"
	labelOverloaded    = "SystemOverloadedError"
)

// noGeometryKeys is the code of a document that a geo index cannot hold.
const noGeometryKeys = 16755

// outOfDiskSpace is the code of a server that cannot store anything more.
const outOfDiskSpace = 14031

// serverCodes are the codes of MongoDB's errors that are told apart.
var serverCodes = map[int]fault.Code{
	11000: fault.DuplicateKey,
	11001: fault.DuplicateKey,
	12582: fault.DuplicateKey,

	121:            fault.ValidationFailed, // DocumentValidationFailure
	14:             fault.ValidationFailed, // TypeMismatch: an operator does not fit what is stored
	28:             fault.ValidationFailed, // PathNotViable
	noGeometryKeys: fault.ValidationFailed,

	257:   fault.PayloadTooLarge, // TransactionTooLarge
	388:   fault.PayloadTooLarge, // TransactionTooLargeForCache
	10334: fault.PayloadTooLarge, // BSONObjectTooLarge
	17419: fault.PayloadTooLarge, // the document that an update makes
	17420: fault.PayloadTooLarge,

	146: fault.ResultTooLarge, // ExceededMemoryLimit
	292: fault.ResultTooLarge, // QueryExceededMemoryLimitNoDiskUseAllowed

	24:  fault.WriteConflict, // LockTimeout
	46:  fault.WriteConflict, // LockBusy
	112: fault.WriteConflict, // WriteConflict
	225: fault.WriteConflict, // TransactionTooOld
	244: fault.WriteConflict, // TransactionAborted
	246: fault.WriteConflict, // SnapshotUnavailable
	251: fault.WriteConflict, // NoSuchTransaction
	290: fault.WriteConflict, // TransactionExceededLifetimeLimitSeconds

	50:  fault.Timeout, // MaxTimeMSExpired
	64:  fault.Timeout, // WriteConcernTimeout
	202: fault.Timeout, // NetworkInterfaceExceededTimeLimit
	262: fault.Timeout, // ExceededTimeLimit

	6:     fault.DatabaseUnavailable, // HostUnreachable
	7:     fault.DatabaseUnavailable, // HostNotFound
	43:    fault.DatabaseUnavailable, // CursorNotFound: the server was started anew
	89:    fault.DatabaseUnavailable, // NetworkTimeout
	91:    fault.DatabaseUnavailable, // ShutdownInProgress
	100:   fault.DatabaseUnavailable, // UnsatisfiableWriteConcern
	133:   fault.DatabaseUnavailable, // FailedToSatisfyReadPreference
	134:   fault.DatabaseUnavailable, // ReadConcernMajorityNotAvailableYet
	175:   fault.DatabaseUnavailable, // QueryPlanKilled
	189:   fault.DatabaseUnavailable, // PrimarySteppedDown
	9001:  fault.DatabaseUnavailable, // SocketException
	10058: fault.DatabaseUnavailable, // not primary, of old servers
	10107: fault.DatabaseUnavailable, // NotWritablePrimary
	11600: fault.DatabaseUnavailable, // InterruptedAtShutdown
	11602: fault.DatabaseUnavailable, // InterruptedDueToReplStateChange
	13435: fault.DatabaseUnavailable, // NotPrimaryNoSecondaryOk
	13436: fault.DatabaseUnavailable, // NotPrimaryOrSecondary

	outOfDiskSpace: fault.DatabaseUnavailable,

	// The service's own credentials, of which its callers know nothing.
	13: fault.Internal, // Unauthorized
	18: fault.Internal, // AuthenticationFailed
}

// failed returns an error of the driver as a fault, and notes it in the
// transaction that ctx belongs to. It returns nil for nil.
func (s *Store) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	told := s.told(ctx, err)
	if t := transactionOf(ctx); t != nil {
		t.note(err, told)
	}
	return told
}

// told is mapError, but that a time limit which ran out while MongoDB cannot be
// reached tells of that: the driver sends again until its time is up.
func (s *Store) told(ctx context.Context, err error) error {
	told := mapError(ctx, err)
	if fault.Is(told, fault.Timeout) && s.lost.Load() {
		return fault.Wrap(errors.Unwrap(told), fault.DatabaseUnavailable, "%s", unavailable)
	}
	return told
}

// mapError returns an error of the driver as a fault that has it as its cause;
// an error that is one already, and nil, as they are. Where ctx was canceled it
// returns context.Canceled.
func mapError(ctx context.Context, err error) error {
	if err == nil || isFault(err) {
		return err
	}
	if errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	code, refusal := classify(err)
	if errors.Is(err, context.Canceled) {
		// The driver gave up by itself, as it does on connections that are being made
		// when it empties the pool: to callers, this must not be a client that hung up.
		err = errors.New(err.Error())
	}
	switch code {
	case fault.DuplicateKey:
		return duplicateKey(err, refusal)
	case fault.InvalidParameter:
		return fault.Wrap(err, code, "%s", badGeometry)
	case fault.ValidationFailed:
		return refusedDocument(err, refusal)
	case fault.PayloadTooLarge:
		return fault.Wrap(err, code, "%s", tooLarge)
	case fault.ResultTooLarge:
		return fault.Wrap(err, code, "%s", tooMuchMemory)
	case fault.WriteConflict:
		return fault.Wrap(err, code, "%s", conflicted)
	case fault.Timeout:
		return fault.Wrap(err, code, "%s", timedOut)
	case fault.DatabaseUnavailable:
		if refusal.code == outOfDiskSpace {
			return fault.Wrap(err, code, "%s", noSpace)
		}
		return fault.Wrap(err, code, "%s", unavailable)
	}
	return fault.Wrap(err, fault.Internal, "%s", unexpected)
}

func isFault(err error) bool {
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}

// classify returns the code of an error, and what MongoDB says of it where it
// is MongoDB's.
func classify(err error) (fault.Code, refusal) {
	for _, r := range refusalsOf(err) {
		if code, ok := serverCodes[r.code]; ok {
			return code, r
		}
		if r.isPolygon() {
			return fault.InvalidParameter, r
		}
	}
	return classifyByKind(err), refusal{}
}

// classifyByKind tells errors apart that have none of the server's codes.
func classifyByKind(err error) fault.Code {
	switch {
	case errors.Is(err, driver.ErrDocumentTooLarge):
		return fault.PayloadTooLarge
	case is[topology.ServerSelectionError](err):
		// Its own limit or that of the operation ended the search: either way
		// there was no primary.
		return fault.DatabaseUnavailable
	case errors.Is(err, context.DeadlineExceeded), is[topology.WaitQueueTimeoutError](err):
		return fault.Timeout
	case lostConnection(err):
		return fault.DatabaseUnavailable
	case hasLabel(err, labelTransient):
		return fault.WriteConflict
	}
	return fault.Internal
}

func lostConnection(err error) bool {
	var cleared driver.RetryablePoolError // the pool was emptied for what another operation met
	return errors.As(err, &cleared) || mongo.IsNetworkError(err) || is[topology.ConnectionError](err) || is[topology.PoolError](err) ||
		hasLabel(err, labelOverloaded) || hasLabel(err, labelRetryable) || hasLabel(err, labelUnknownCommit) ||
		errors.Is(err, mongo.ErrClientDisconnected) || errors.Is(err, context.Canceled)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// hasLabel reports whether any error that err wraps has a label.
func hasLabel(err error, label string) bool {
	for err != nil {
		labeled, ok := errors.AsType[mongo.LabeledError](err)
		if !ok {
			return false
		}
		if labeled.HasErrorLabel(label) {
			return true
		}
		err = errors.Unwrap(labeled)
	}
	return false
}

// refusal is what MongoDB says of one write, or of one command.
type refusal struct {
	code int
	// reply names the key of an index, details the rules of a validator.
	reply, details bson.Raw
}

// refusalsOf returns what MongoDB says in an error: of the writes first.
func refusalsOf(err error) []refusal {
	var refusals []refusal
	if e, ok := errors.AsType[mongo.WriteException](err); ok {
		for _, w := range e.WriteErrors {
			refusals = append(refusals, refusal{w.Code, w.Raw, w.Details})
		}
		return append(refusals, concernRefusals(e.WriteConcernError)...)
	}
	if e, ok := errors.AsType[mongo.BulkWriteException](err); ok {
		for _, w := range e.WriteErrors {
			refusals = append(refusals, refusal{w.Code, w.Raw, w.Details})
		}
		return append(refusals, concernRefusals(e.WriteConcernError)...)
	}
	if e, ok := errors.AsType[driver.WriteCommandError](err); ok && e.WriteConcernError != nil {
		// Of a commit that was sent again until the time was up.
		return append(refusals, refusal{code: int(e.WriteConcernError.Code)})
	}
	if e, ok := errors.AsType[mongo.CommandError](err); ok {
		return append(refusals, commandRefusal(int(e.Code), e.Raw))
	}
	if e, ok := errors.AsType[driver.Error](err); ok {
		return append(refusals, commandRefusal(int(e.Code), bson.Raw(e.Raw)))
	}
	return nil
}

// isPolygon reports whether a command was refused for a polygon of its filter.
// MongoDB has no code for that, so the words must tell.
func (r refusal) isPolygon() bool {
	const badValue = 2
	words := text(r.reply.Lookup("errmsg"))
	return r.code == badValue && (strings.Contains(words, "Loop ") || strings.Contains(words, "loops ") || strings.Contains(words, "Polygon "))
}

func concernRefusals(e *mongo.WriteConcernError) []refusal {
	if e == nil {
		return nil
	}
	return []refusal{{code: e.Code}}
}

func commandRefusal(code int, reply bson.Raw) refusal {
	details, _ := reply.Lookup("errInfo").DocumentOK()
	return refusal{code, reply, details}
}

// duplicateKey points at the fields of the index that has the value already.
func duplicateKey(err error, r refusal) error {
	pattern, _ := r.reply.Lookup("keyPattern").DocumentOK()
	elements, _ := pattern.Elements()
	var names []string
	for _, e := range elements {
		names = append(names, clientPath(e.Key()))
	}
	if len(names) == 0 {
		return fault.Wrap(err, fault.DuplicateKey, "another document has the same value in a unique index")
	}
	fields := joinNames(names)
	items := make([]fault.Item, len(names))
	for i, name := range names {
		items[i] = fault.Item{Pointer: pointerOfPath(name), Code: "unique", Detail: "must be unique, and another document has the same " + fields}
	}
	return fault.Wrap(err, fault.DuplicateKey, "another document has the same %s", fields).WithItems(items...)
}

// clientPath returns the path of a stored field as clients know it.
func clientPath(path string) string {
	if path == "_id" {
		return "id"
	}
	return path
}

func joinNames(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// pointerOfPath returns the JSON pointer of a dotted path.
func pointerOfPath(path string) string {
	var pointer strings.Builder
	for name := range strings.SplitSeq(path, ".") {
		pointer.WriteString("/" + escapePointer(name))
	}
	return pointer.String()
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer escapes a name as RFC 6901, section 3 has it.
func escapePointer(name string) string { return pointerEscapes.Replace(name) }

func sortFailures(failures []Failure) {
	slices.SortFunc(failures, func(a, b Failure) int { return a.Index - b.Index })
}
