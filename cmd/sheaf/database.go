package main

// settledDatabase is settled for the commands that use the database.
func (a *app) settledDatabase() error {
	a.report.CheckDatabase()
	return a.settled()
}
