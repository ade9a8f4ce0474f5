module github.com/cyverse-gis/eemt/integration/cluster

go 1.26.0
