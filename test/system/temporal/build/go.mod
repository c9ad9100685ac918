// The real Temporal server, built from its released module, nothing changed. `go mod tidy` completes this file where it is built, and the checksum database
// of Go vouches for what comes.
module tidegate.dev/temporal-server

go 1.25.14

tool go.temporal.io/server/cmd/server

require go.temporal.io/server v1.30.7
