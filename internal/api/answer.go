package api

import (
	"net/http"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// form is how the client wants an answer.
type form struct {
	extended bool
	minimal  bool
}

// form reads Accept and Prefer.
func (x *exchange) form() (form, error) {
	extended, err := accepted(x.request.Header)
	return form{extended: extended, minimal: minimal(x.request.Header)}, err
}

// append writes a document in the form's encoding.
func (f form) append(dst []byte, doc bson.Raw) []byte {
	if f.extended {
		return bsonjson.AppendExtended(dst, doc)
	}
	return bsonjson.AppendDocument(dst, doc)
}

var (
	varyAccept     = []string{"Accept"}
	typeJSON       = []string{mediaJSON}
	typeExtended   = []string{mediaExtended}
	appliedMinimal = []string{"return=minimal"}
	zeroLength     = []string{"0"}
)

// send answers with what encode writes.
func (x *exchange) send(status int, f form, encode func(dst []byte) []byte) error {
	buffer := buffers.Get().(*[]byte)
	defer putBuffer(buffer)
	_ = x.timed("encode", func() error {
		*buffer = encode((*buffer)[:0])
		return nil
	})
	return x.sendEncoded(status, f, *buffer)
}

// sendEncoded answers with a body in the form's encoding.
func (x *exchange) sendEncoded(status int, f form, body []byte) error {
	x.setContentType(f)
	x.set("Content-Length", strconv.Itoa(len(body)))
	x.setServerTiming()
	x.WriteHeader(status)
	_, _ = x.Write(body) // a client that is gone needs no answer
	return nil
}

func (x *exchange) setContentType(f form) {
	header := x.Header()
	header["Content-Type"] = typeJSON
	if f.extended {
		header["Content-Type"] = typeExtended
	}
	header["Vary"] = varyAccept
}

// sendEmpty answers without a body, as the client preferred.
func (x *exchange) sendEmpty(status int) error {
	header := x.Header()
	header["Preference-Applied"] = appliedMinimal
	if status != http.StatusNoContent {
		header["Content-Length"] = zeroLength
	}
	x.setServerTiming()
	x.WriteHeader(status)
	return nil
}
