// Package mocks holds the mocks of interfaces whose faults no real part shows.
package mocks

//go:generate go run go.uber.org/mock/mockgen@v0.6.0 -package mocks -destination driver.go gocloud.dev/blob/driver Bucket,Reader,Writer
//go:generate go run go.uber.org/mock/mockgen@v0.6.0 -package mocks -destination eventing.go github.com/cyverse-gis/eemt/eventing Publisher
