variables {
  domains       = 6
  topology_file = "tests/together.json"
  replicas      = { http = 2, worker = 2 }
}

run "together" {
  command = plan
  assert {
    condition     = output.postgres.max_connections == 4 * (6 * 25 + 9) + 50
    error_message = "four processes, each with the databases of six domains"
  }
  assert {
    condition     = output.cluster.cpu == 1 && output.cluster.memory_gib == 2
    error_message = "four processes of 0.25 CPU and 512 MiB"
  }
}

run "with_one_apart" {
  command = plan
  variables { topology_file = "tests/apart.json" }
  assert {
    condition     = output.postgres.max_connections == 4 * (6 * 25 + 9) + 4 * (25 + 9) + 50
    error_message = "the service connects to its own database alone"
  }
}

run "too_few" {
  command = plan
  variables { replicas = { http = 1, worker = 2 } }
  expect_failures = [var.replicas]
}
