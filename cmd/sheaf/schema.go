package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
)

// schemaCommand works on schema files; all but pull without a database.
type schemaCommand struct {
	Check schemaCheckCommand `cmd:"" help:"Check the files of a schema folder."`
	Show  schemaShowCommand  `cmd:"" help:"Show what a schema folder compiles to: rules, validators and indexes."`
	Pull  schemaPullCommand  `cmd:"" help:"Write schema files for a database that is there, from its validators, indexes and documents."`
}

type schemaCheckCommand struct {
	Dir string `arg:"" optional:"" help:"The folder; --schema where it is left out."`
}

// Run prints one line where all is well; else every problem is the error.
func (c *schemaCheckCommand) Run(a *app) error {
	model, err := a.settledSchema(c.Dir)
	if err != nil {
		return err
	}
	names := collectionNames(model)
	_, err = fmt.Fprintf(a.stdout, "%d %s: %s\n", len(names), plural(len(names), "collection"), strings.Join(names, ", "))
	return err
}

type schemaShowCommand struct {
	Dir        string `arg:"" help:"The folder."`
	Collection string `arg:"" optional:"" help:"One collection, in place of all."`
	JSON       bool   `help:"Print JSON: the JSON Schema of the stored documents, MongoDB's validator, the indexes and relations."`
}

// Run prints the compiled model.
func (c *schemaShowCommand) Run(a *app) error {
	model, err := a.settledSchema(c.Dir)
	if err != nil {
		return err
	}
	if _, ok := model.Lookup(c.Collection); c.Collection != "" && !ok {
		return unknownCollection(model, c.Collection)
	}
	if !c.JSON {
		return model.Show(a.stdout, c.Collection)
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(modelJSON(model, c.Collection))
}

// settledSchema is loadSchema for the commands that use no database.
func (a *app) settledSchema(dir string) (*schema.Model, error) {
	if err := a.settled(); err != nil {
		return nil, err
	}
	return a.loadSchema(dir)
}

// loadSchema compiles the folder dir, that of --schema where dir is empty.
// Problems name files as the caller can open them, with the folder before them.
func (a *app) loadSchema(dir string) (*schema.Model, error) {
	if dir == "" {
		dir = a.config.Schema
	}
	if dir == "" {
		return nil, usageError("no schema folder is named: set --schema or SHEAF_SCHEMA")
	}
	model, err := schema.Load(os.DirFS(dir))
	if problems, ok := errors.AsType[*schema.Problems](err); ok {
		return nil, locate(problems, dir)
	}
	return model, err
}

// locate returns the problems with the folder before the names of files.
func locate(problems *schema.Problems, dir string) *schema.Problems {
	located := make(schema.Problems, len(*problems))
	for i, problem := range *problems {
		if problem.File == "" {
			problem.Message = dir + ": " + problem.Message
		} else {
			problem.File = filepath.Join(dir, problem.File)
		}
		located[i] = problem
	}
	return &located
}

func collectionNames(model *schema.Model) []string {
	names := make([]string, len(model.Collections))
	for i, c := range model.Collections {
		names[i] = c.Name
	}
	return names
}

func unknownCollection(model *schema.Model, name string) error {
	text := fmt.Sprintf("the schema declares no collection %q", name)
	if near := model.Nearest(name); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return usageError(text)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// modelJSON is a model for programs. MongoDB's documents are in Extended JSON.
func modelJSON(model *schema.Model, collection string) schema.JSON {
	var collections []schema.JSON
	for _, c := range model.Collections {
		if collection == "" || c.Name == collection {
			collections = append(collections, collectionJSON(c))
		}
	}
	return schema.JSON{{Name: "hash", Value: model.Hash}, {Name: "collections", Value: collections}}
}

func collectionJSON(c *schema.Collection) schema.JSON {
	indexes, relations := []schema.JSON{}, []schema.JSON{}
	for _, index := range c.Indexes {
		indexes = append(indexes, indexJSON(index))
	}
	for _, r := range c.Relations {
		relations = append(relations, schema.JSON{
			{Name: "name", Value: r.Name}, {Name: "kind", Value: r.Kind.String()}, {Name: "target", Value: r.Target}, {Name: "by", Value: r.By},
		})
	}
	return schema.JSON{
		{Name: "collection", Value: c.Name},
		{Name: "id", Value: c.ID.String()},
		{Name: "schema", Value: c.JSONSchema(schema.Stored)},
		{Name: "validator", Value: extended(c.Validator())},
		{Name: "indexes", Value: indexes},
		{Name: "relations", Value: relations},
	}
}

func indexJSON(index schema.Index) schema.JSON {
	out := schema.JSON{{Name: "name", Value: index.Name}, {Name: "keys", Value: extended(index.Keys)}, {Name: "unique", Value: index.Unique}}
	if index.Partial != nil {
		out = append(out, schema.Member{Name: "where", Value: extended(index.Partial)})
	}
	if index.ExpireAfter != nil {
		out = append(out, schema.Member{Name: "expireAfterSeconds", Value: int64(index.ExpireAfter.Seconds())})
	}
	return out
}

// extended is a document of a model that encodes as relaxed Extended JSON.
type extended bson.D

// MarshalJSON encodes the document.
func (e extended) MarshalJSON() ([]byte, error) { return bson.MarshalExtJSON(bson.D(e), false, false) }
