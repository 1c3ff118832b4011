package api

import (
	"net/http"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// aggregateDocuments answers what comes out of a pipeline of the schema.
func aggregateDocuments(x *exchange) error {
	collection, aggregate, err := x.aggregate()
	if err != nil {
		return err
	}
	form, err := x.form()
	if err != nil {
		return err
	}
	values, err := x.query()
	if err != nil {
		return err
	}
	pipeline, err := aggregate.Bind(values)
	if err != nil {
		return err
	}
	var docs []bson.Raw
	err = x.timed("engine", func() error {
		docs, err = x.service.engine.Aggregate(x.request.Context(), collection, aggregate, pipeline)
		return err
	})
	if err != nil {
		return err
	}
	x.Header()["Cache-Control"] = noCache
	return x.stream(http.StatusOK, form, func(s *stream) {
		s.documents(docs)
		s.buffer = append(s.buffer, '}')
	})
}

// aggregate finds what the path names.
func (x *exchange) aggregate() (*schema.Collection, *schema.Aggregate, error) {
	collection, err := x.collection()
	if err != nil {
		return nil, nil, err
	}
	name := x.param("aggregate")
	aggregate, ok := collection.Aggregate(name)
	if !ok {
		return nil, nil, fault.New(fault.UnknownRoute, "%s has no aggregate that is called %s%s", collection.Name, strconv.Quote(name), collection.NearestAggregate(name))
	}
	return collection, aggregate, nil
}
