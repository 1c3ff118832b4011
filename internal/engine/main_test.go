package engine_test

import (
	"testing"

	"github.com/sheafdb/sheaf/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
