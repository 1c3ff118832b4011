// Command handwritten is the service that a good engineer writes by hand with
// Echo, the MongoDB driver and validator for a few collections: typed structs,
// one command a request, transactions where two documents change. The benchmark
// holds Sheaf against it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-playground/validator/v10"
	"github.com/labstack/echo/v4"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

type address struct {
	Street string `bson:"street" json:"street" validate:"required"`
	City   string `bson:"city" json:"city" validate:"required"`
	Zip    string `bson:"zip" json:"zip" validate:"required,max=10"`
}

type item struct {
	ID        bson.ObjectID `bson:"_id" json:"id"`
	SKU       string        `bson:"sku" json:"sku" validate:"required,max=40"`
	Name      string        `bson:"name" json:"name" validate:"required,max=100"`
	Email     string        `bson:"email" json:"email" validate:"required,email"`
	Price     *float64      `bson:"price" json:"price" validate:"required,min=0"`
	Stock     *int64        `bson:"stock" json:"stock" validate:"required,min=0"`
	Active    *bool         `bson:"active" json:"active" validate:"required"`
	Made      time.Time     `bson:"made" json:"made" validate:"required"`
	Tags      []string      `bson:"tags,omitempty" json:"tags,omitempty" validate:"max=20,dive,max=30"`
	Address   address       `bson:"address" json:"address" validate:"required"`
	Note      string        `bson:"note,omitempty" json:"note,omitempty" validate:"max=1000"`
	Version   int64         `bson:"version" json:"version"`
	CreatedAt time.Time     `bson:"createdAt" json:"createdAt"`
	UpdatedAt time.Time     `bson:"updatedAt" json:"updatedAt"`
}

type person struct {
	ID        int64     `bson:"_id" json:"id"`
	Name      string    `bson:"name" json:"name" validate:"required,max=100"`
	Email     string    `bson:"email" json:"email" validate:"required,email"`
	Age       *int64    `bson:"age" json:"age" validate:"required,min=0,max=150"`
	City      string    `bson:"city,omitempty" json:"city,omitempty" validate:"max=100"`
	Version   int64     `bson:"version" json:"version"`
	CreatedAt time.Time `bson:"createdAt" json:"createdAt"`
	UpdatedAt time.Time `bson:"updatedAt" json:"updatedAt"`
}

type account struct {
	ID        int64     `bson:"_id" json:"id"`
	Balance   *int64    `bson:"balance" json:"balance" validate:"required,min=0"`
	Version   int64     `bson:"version" json:"version"`
	CreatedAt time.Time `bson:"createdAt" json:"createdAt"`
	UpdatedAt time.Time `bson:"updatedAt" json:"updatedAt"`
}

type service struct {
	client   *mongo.Client
	items    *mongo.Collection
	people   *mongo.Collection
	accounts *mongo.Collection
	validate *validator.Validate
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, err := mongo.Connect(options.Client().ApplyURI(os.Getenv("MONGODB_URI")).
		SetMaxPoolSize(20).SetMaxConnIdleTime(30 * time.Second).SetConnectTimeout(2 * time.Second).
		SetWriteConcern(writeconcern.Majority()).SetReadConcern(readconcern.Majority()))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	if len(os.Args) > 1 {
		return runLoop(ctx, client, os.Args[1:])
	}
	database := client.Database("handwritten")
	s := &service{client: client, items: database.Collection("items"), people: database.Collection("people"),
		accounts: database.Collection("accounts"), validate: validator.New(validator.WithRequiredStructEnabled())}
	if err := s.createIndexes(ctx); err != nil {
		return err
	}
	return s.serve(ctx)
}

func (s *service) createIndexes(ctx context.Context) error {
	unique := options.Index().SetUnique(true)
	if _, err := s.items.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "sku", Value: 1}}, Options: unique}); err != nil {
		return err
	}
	_, err := s.people.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: bson.D{{Key: "email", Value: 1}}, Options: unique},
		{Keys: bson.D{{Key: "email", Value: 1}, {Key: "age", Value: 1}}},
	})
	return err
}

func (s *service) serve(ctx context.Context) error {
	e := echo.New()
	e.POST("/v1/bench_items", s.create)
	e.GET("/v1/bench_items/:id", s.get)
	e.PATCH("/v1/bench_items/:id", s.restock)
	e.POST("/v1/bench_people", s.createPerson)
	e.GET("/v1/bench_people", s.listPeople)
	e.POST("/v1/bench_accounts", s.createAccount)
	e.POST("/v1/transfers", s.transfer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: e, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *service) create(c echo.Context) error {
	var it item
	if err := c.Bind(&it); err != nil {
		return err
	}
	if err := s.validate.Struct(&it); err != nil {
		return echo.NewHTTPError(http.StatusUnprocessableEntity, err.Error())
	}
	it.ID, it.Version = bson.NewObjectID(), 1
	it.CreatedAt = now()
	it.UpdatedAt = it.CreatedAt
	_, err := s.items.InsertOne(c.Request().Context(), &it)
	return created(c, &it, err)
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func created(c echo.Context, doc any, err error) error {
	switch {
	case mongo.IsDuplicateKeyError(err):
		return echo.NewHTTPError(http.StatusConflict, "a unique value is taken")
	case err != nil:
		return err
	}
	return c.JSON(http.StatusCreated, doc)
}

func (s *service) get(c echo.Context) error {
	id, err := bson.ObjectIDFromHex(c.Param("id"))
	if err != nil {
		return echo.NewHTTPError(http.StatusBadRequest, "the id is not valid")
	}
	var it item
	err = s.items.FindOne(c.Request().Context(), bson.D{{Key: "_id", Value: id}}).Decode(&it)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return echo.NewHTTPError(http.StatusNotFound, "no such item")
	case err != nil:
		return err
	}
	return c.JSON(http.StatusOK, &it)
}

// restock adds to the stock, which never falls below 0.
func (s *service) restock(c echo.Context) error {
	id, err := bson.ObjectIDFromHex(c.Param("id"))
	if err != nil {
		return echo.NewHTTPError(http.StatusBadRequest, "the id is not valid")
	}
	var change struct {
		Inc struct {
			Stock *int64 `json:"stock" validate:"required"`
		} `json:"$inc"`
	}
	if err := json.NewDecoder(c.Request().Body).Decode(&change); err != nil {
		return echo.NewHTTPError(http.StatusBadRequest, "the body is not valid")
	}
	if err := s.validate.Struct(&change); err != nil {
		return echo.NewHTTPError(http.StatusUnprocessableEntity, err.Error())
	}
	by := *change.Inc.Stock
	var it item
	err = s.items.FindOneAndUpdate(c.Request().Context(),
		bson.D{{Key: "_id", Value: id}, {Key: "stock", Value: bson.D{{Key: "$gte", Value: -by}}}},
		bson.D{
			{Key: "$inc", Value: bson.D{{Key: "stock", Value: by}, {Key: "version", Value: 1}}},
			{Key: "$set", Value: bson.D{{Key: "updatedAt", Value: now()}}},
		}, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&it)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return echo.NewHTTPError(http.StatusNotFound, "no such item, or not enough of it")
	case err != nil:
		return err
	}
	return c.JSON(http.StatusOK, &it)
}

func (s *service) createPerson(c echo.Context) error {
	var p person
	if err := c.Bind(&p); err != nil {
		return err
	}
	if err := s.validate.Struct(&p); err != nil {
		return echo.NewHTTPError(http.StatusUnprocessableEntity, err.Error())
	}
	p.Version, p.CreatedAt = 1, now()
	p.UpdatedAt = p.CreatedAt
	_, err := s.people.InsertOne(c.Request().Context(), &p)
	return created(c, &p, err)
}

// listPeople lists those in a range of ages, in the order of their addresses.
func (s *service) listPeople(c echo.Context) error {
	var from, below, limit int64
	err := echo.QueryParamsBinder(c).MustInt64("age[gte]", &from).MustInt64("age[lt]", &below).MustInt64("limit", &limit).BindError()
	if err != nil {
		return err
	}
	if limit < 1 || limit > 1000 {
		return echo.NewHTTPError(http.StatusBadRequest, "the limit is not valid")
	}
	ctx := c.Request().Context()
	cursor, err := s.people.Find(ctx, bson.D{{Key: "age", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: below}}}},
		options.Find().SetSort(bson.D{{Key: "email", Value: 1}}).SetLimit(limit))
	if err != nil {
		return err
	}
	people := make([]person, 0, limit)
	if err := cursor.All(ctx, &people); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, echo.Map{"data": people})
}

func (s *service) createAccount(c echo.Context) error {
	var a account
	if err := c.Bind(&a); err != nil {
		return err
	}
	if err := s.validate.Struct(&a); err != nil {
		return echo.NewHTTPError(http.StatusUnprocessableEntity, err.Error())
	}
	a.Version, a.CreatedAt = 1, now()
	a.UpdatedAt = a.CreatedAt
	_, err := s.accounts.InsertOne(c.Request().Context(), &a)
	return created(c, &a, err)
}

type transfer struct {
	From   int64 `json:"from" validate:"min=0"`
	To     int64 `json:"to" validate:"min=0,nefield=From"`
	Amount int64 `json:"amount" validate:"min=1"`
}

var errInsufficient = errors.New("insufficient funds")

// transfer moves money: both accounts are read, and both are updated.
func (s *service) transfer(c echo.Context) error {
	var t transfer
	if err := c.Bind(&t); err != nil {
		return err
	}
	if err := s.validate.Struct(&t); err != nil {
		return echo.NewHTTPError(http.StatusUnprocessableEntity, err.Error())
	}
	ctx := c.Request().Context()
	session, err := s.client.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	result, err := session.WithTransaction(ctx, func(ctx context.Context) (any, error) { return s.move(ctx, t) })
	switch {
	case errors.Is(err, errInsufficient):
		return echo.NewHTTPError(http.StatusUnprocessableEntity, err.Error())
	case errors.Is(err, mongo.ErrNoDocuments):
		return echo.NewHTTPError(http.StatusNotFound, "no such account")
	case err != nil:
		return err
	}
	return c.JSON(http.StatusOK, result)
}

func (s *service) move(ctx context.Context, t transfer) ([]account, error) {
	accounts := make([]account, 2)
	for i, id := range []int64{t.From, t.To} {
		if err := s.accounts.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&accounts[i]); err != nil {
			return nil, err
		}
	}
	if *accounts[0].Balance < t.Amount {
		return nil, errInsufficient
	}
	at := now()
	for i, by := range []int64{-t.Amount, t.Amount} {
		a := &accounts[i]
		*a.Balance, a.Version, a.UpdatedAt = *a.Balance+by, a.Version+1, at
		_, err := s.accounts.UpdateByID(ctx, a.ID, bson.D{
			{Key: "$inc", Value: bson.D{{Key: "balance", Value: by}, {Key: "version", Value: 1}}},
			{Key: "$set", Value: bson.D{{Key: "updatedAt", Value: at}}},
		})
		if err != nil {
			return nil, err
		}
	}
	return accounts, nil
}
