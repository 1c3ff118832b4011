package migrate

import "github.com/sheafdb/sheaf/internal/schema"

// Diff returns the steps that bring a database to the state that a model needs,
// in the order in which they are to be carried out.
func Diff(model *schema.Model, db *Database) []Step {
	return nil
}
