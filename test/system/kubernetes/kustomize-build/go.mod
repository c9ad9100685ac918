// The real kustomize as a Go program of our own: its released packages, nothing changed. `go mod tidy` completes this file where it is built, and the checksum
// database of Go vouches for what comes.
module tidegate.dev/kustomize

go 1.26.0

require sigs.k8s.io/kustomize/kustomize/v5 v5.8.1
