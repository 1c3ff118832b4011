package check

// tester is what the checks need of a test.
type tester interface {
	Helper()
	Error(...any)
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
}

// counter counts faults, for the test of the checks themselves.
type counter struct{ faults int }

type fatal struct{}

func (c *counter) Helper()               {}
func (c *counter) Error(...any)          { c.faults++ }
func (c *counter) Errorf(string, ...any) { c.faults++ }

func (c *counter) Fatal(...any) {
	c.faults++
	panic(fatal{})
}

func (c *counter) Fatalf(string, ...any) { c.Fatal() }

// faults counts what is wrong with manifests.
func faults(text string) int {
	c := &counter{}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(fatal{}) {
				panic(p)
			}
		}()
		decode(c, []byte(text)).hold()
	}()
	return c.faults
}
