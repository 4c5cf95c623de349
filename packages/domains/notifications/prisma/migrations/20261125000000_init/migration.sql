-- CreateTable
CREATE TABLE "email" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "event_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "template" TEXT NOT NULL,
    "data" JSONB NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'QUEUED',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sent_at" TIMESTAMPTZ(3),

    CONSTRAINT "email_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateIndex
CREATE UNIQUE INDEX "email_tenant_id_event_id_user_id_key" ON "email"("tenant_id", "event_id", "user_id");

-- What Prisma's schema cannot say.
ALTER TABLE "email" ADD CONSTRAINT "email_status" CHECK ("status" IN ('QUEUED', 'SENT', 'SKIPPED', 'REFUSED'));
ALTER TABLE "email" ADD CONSTRAINT "email_sent_at_a_time" CHECK (("status" = 'SENT') = ("sent_at" IS NOT NULL));

SELECT app.tenant_table('email');
