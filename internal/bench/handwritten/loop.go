package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// The loops that `sheaf import` and `sheaf export` are held against: nothing but
// the driver, on documents that are BSON already and stay it. Each prints how
// many seconds it took.

// runLoop runs one: insert COUNT, read, or read by-id, on the collection of the items in
// MONGODB_DATABASE.
func runLoop(ctx context.Context, client *mongo.Client, args []string) error {
	items := client.Database(os.Getenv("MONGODB_DATABASE")).Collection("bench_items")
	if err := client.Ping(ctx, nil); err != nil {
		return err
	}
	var took time.Duration
	var err error
	switch {
	case len(args) == 2 && args[0] == "insert":
		count, countErr := strconv.Atoi(args[1])
		if countErr != nil {
			return countErr
		}
		took, err = insertLoop(ctx, items, count)
	case len(args) == 1 && args[0] == "read":
		took, err = readLoop(ctx, items, options.Find())
	case len(args) == 2 && args[0] == "read" && args[1] == "by-id":
		took, err = readLoop(ctx, items, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	default:
		return fmt.Errorf("there is no loop %q", args)
	}
	if err == nil {
		fmt.Printf("%.4f\n", took.Seconds())
	}
	return err
}

// insertLoop inserts ready documents, a thousand at a time.
func insertLoop(ctx context.Context, items *mongo.Collection, count int) (time.Duration, error) {
	const batch = 1000
	batches := make([][]bson.Raw, 0, count/batch+1)
	for i := range count {
		if i%batch == 0 {
			batches = append(batches, make([]bson.Raw, 0, batch))
		}
		last := len(batches) - 1
		batches[last] = append(batches[last], readyItem(i))
	}
	began := time.Now()
	for _, docs := range batches {
		if _, err := items.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false)); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// readyItem is the document that the import of the benchmark has too.
func readyItem(i int) bson.Raw {
	price, stock, active, now := 19.5, int64(i), true, time.Now()
	raw, err := bson.Marshal(item{
		ID: bson.NewObjectID(), SKU: "sku-" + strconv.Itoa(i), Name: "A plain thing of wood and brass", Email: "maker@example.com", Price: &price, Stock: &stock,
		Active: &active, Made: now, Tags: []string{"wood", "brass", "plain"}, Address: address{Street: "12 Long Street", City: "Lund", Zip: "22100"},
		Note:    "Made by hand, and sold as it is: no two are the same, and none is perfect.",
		Version: 1, CreatedAt: now, UpdatedAt: now,
	})
	if err != nil { // plain values always encode
		panic(err)
	}
	return raw
}

// readLoop reads every document by one cursor.
func readLoop(ctx context.Context, items *mongo.Collection, o *options.FindOptionsBuilder) (time.Duration, error) {
	began := time.Now()
	cursor, err := items.Find(ctx, bson.D{}, o)
	if err != nil {
		return 0, err
	}
	size := 0
	for cursor.Next(ctx) {
		size += len(cursor.Current)
	}
	if size == 0 {
		return 0, fmt.Errorf("there is nothing to read")
	}
	return time.Since(began), cursor.Err()
}
