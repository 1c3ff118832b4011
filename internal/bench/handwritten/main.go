// Command handwritten is the service that a good engineer writes by hand with
// Echo, the MongoDB driver and validator for one collection: a typed struct, one
// command a request. The benchmark holds Sheaf against it.
package main

import (
	"context"
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

type service struct {
	items    *mongo.Collection
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
	s := &service{items: client.Database("handwritten").Collection("items"), validate: validator.New(validator.WithRequiredStructEnabled())}
	unique := mongo.IndexModel{Keys: bson.D{{Key: "sku", Value: 1}}, Options: options.Index().SetUnique(true)}
	if _, err := s.items.Indexes().CreateOne(ctx, unique); err != nil {
		return err
	}
	return s.serve(ctx)
}

func (s *service) serve(ctx context.Context) error {
	e := echo.New()
	e.POST("/v1/items", s.create)
	e.GET("/v1/items/:id", s.get)
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
	it.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
	it.UpdatedAt = it.CreatedAt
	_, err := s.items.InsertOne(c.Request().Context(), &it)
	switch {
	case mongo.IsDuplicateKeyError(err):
		return echo.NewHTTPError(http.StatusConflict, "the sku is taken")
	case err != nil:
		return err
	}
	return c.JSON(http.StatusCreated, &it)
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
