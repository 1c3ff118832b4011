package main

// configCommand prints the effective settings.
type configCommand struct {
	JSON bool `help:"Print JSON."`
}

// Run prints the settings even where they are faulty: that is when one looks.
func (c *configCommand) Run(a *app) error {
	write := a.report.WriteTable
	if c.JSON {
		write = a.report.WriteJSON
	}
	a.report.CheckAuth()
	settled := a.settledDatabase()
	if err := write(a.stdout); err != nil {
		return err
	}
	return settled
}
