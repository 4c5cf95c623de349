variables {
  app_secret    = "of at least thirty-two characters"
  postgres      = { host = "db.internal", database = "shop", user = "admin", password = "p@ss/word" }
  nats          = { hosts = ["a.internal", "b.internal"], user = "shop", password = "secret" }
  smtp_url      = "smtp://mail.example.com:587"
  unleash_token = "default:production.token"
}

run "urls" {
  command = plan
  assert {
    condition     = output.values.DATABASE_URL == "postgres://admin:p%40ss%2Fword@db.internal:5432/shop"
    error_message = "passwords are encoded"
  }
  assert {
    condition     = output.values.NATS_URL == "tls://shop:secret@a.internal:4222,tls://shop:secret@b.internal:4222"
    error_message = "all servers are named"
  }
}

run "short_secret" {
  command = plan
  variables { app_secret = "short" }
  expect_failures = [var.app_secret]
}
