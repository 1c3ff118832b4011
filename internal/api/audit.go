package api

import (
	"net/http"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/observe"
)

// maxAudited bounds the ids of one event: of more documents it has the number.
const maxAudited = 100

// noteWrites keeps what a request wrote, until it is known whether that holds.
func (x *exchange) noteWrites(writes []engine.Write, results []engine.Result) {
	if !x.service.options.Observer.WantsWrites() {
		return
	}
	for i, w := range writes {
		if w.Verb != engine.Read && i < len(results) {
			x.noteWrite(w.Verb.String(), w.Collection.Name, 1).add(idText(results[i].ID))
		}
	}
}

// written is what one request did to documents of one collection in one way.
type written struct{ observe.Write }

// add notes the id of a document.
func (w *written) add(id string) {
	if len(w.IDs) < maxAudited {
		w.IDs = append(w.IDs, id)
	}
}

// noteWrite counts documents that were written in some way.
func (x *exchange) noteWrite(action, collection string, documents int) *written {
	for _, w := range x.writes {
		if w.Action == action && w.Collection == collection {
			w.Documents += documents
			return w
		}
	}
	w := &written{observe.Write{Method: x.request.Method, Route: x.route, Action: action, Collection: collection, Documents: documents}}
	x.writes = append(x.writes, w)
	return w
}

// emitWrites tells of the writes of a request that was answered well.
func (x *exchange) emitWrites() {
	if x.status >= http.StatusBadRequest {
		return
	}
	for _, w := range x.writes {
		if w.Documents > 0 {
			x.service.options.Observer.Write(x.request.Context(), w.Write)
		}
	}
}
