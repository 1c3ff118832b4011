package engine

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
)

// placed reports whether it is known on which shard the document lies, or that
// nothing need be known: then one command can change it without a read before.
func (op *operation) placed() bool { return op.collection.ShardKey.Complete(op.shard) }

// movesShard reports whether the direct change touches the shard key: whether it
// leaves the values as they are is seen only from the document.
func (op *operation) movesShard() bool {
	key := op.collection.ShardKey
	if key == nil {
		return false
	}
	operators, err := op.direct.Update.Elements()
	if err != nil {
		return true
	}
	for _, operator := range operators {
		changes, _ := operator.Value().DocumentOK()
		paths, err := changes.Elements()
		if err != nil {
			return true
		}
		for _, path := range paths {
			if key.Holds(path.Key()) {
				return true
			}
		}
	}
	return false
}

// checkShard refuses a change of the shard key: the document would have to move
// to another shard, and who asks for it by its old key would not find it.
func (op *operation) checkShard(current, next bson.Raw, faults *fault.List) {
	for _, moved := range op.collection.ShardKey.Moved(current, next) {
		faults.Add(moved, "immutable", "is part of the shard key, which never changes; create the document anew and delete this one")
	}
}
