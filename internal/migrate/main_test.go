package migrate

import (
	"os"
	"testing"

	"github.com/sheafdb/sheaf/internal/testkit"
)

// TestMain makes this test program one that is killed, where it is started as that.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == victimCommand {
		victim(os.Args[2], os.Args[3:])
		return
	}
	testkit.Main(m)
}
