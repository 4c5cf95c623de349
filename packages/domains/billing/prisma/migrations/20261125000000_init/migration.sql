-- CreateTable
CREATE TABLE "payment" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "order_id" UUID NOT NULL,
    "status" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "method" TEXT,
    "failure" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "payment_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "ledger_entry" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "payment_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ledger_entry_pkey" PRIMARY KEY ("tenant_id","payment_id","kind")
);

-- CreateTable
CREATE TABLE "provider_charge" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "status" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "provider_charge_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateIndex
CREATE UNIQUE INDEX "payment_tenant_id_order_id_key" ON "payment"("tenant_id", "order_id");

-- AddForeignKey
ALTER TABLE "ledger_entry" ADD CONSTRAINT "ledger_entry_tenant_id_payment_id_fkey" FOREIGN KEY ("tenant_id", "payment_id") REFERENCES "payment"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema cannot say.
ALTER TABLE "payment" ADD CONSTRAINT "payment_status" CHECK ("status" IN ('PENDING', 'CAPTURED', 'FAILED', 'VOID', 'REFUNDING', 'REFUNDED'));
ALTER TABLE "payment" ADD CONSTRAINT "payment_failed_for_a_reason" CHECK ("status" <> 'FAILED' OR "failure" IS NOT NULL);
ALTER TABLE "payment" ADD CONSTRAINT "payment_amount" CHECK ("amount_minor" BETWEEN 0 AND 9007199254740991);
ALTER TABLE "payment" ADD CONSTRAINT "payment_currency" CHECK ("currency" ~ '^[A-Z]{3}$');
ALTER TABLE "ledger_entry" ADD CONSTRAINT "ledger_entry_kind" CHECK ("kind" IN ('capture', 'refund'));
ALTER TABLE "ledger_entry" ADD CONSTRAINT "ledger_entry_amount" CHECK ("amount_minor" >= 0);

SELECT app.tenant_table('payment');
SELECT app.tenant_table('ledger_entry', append_only => true);
SELECT app.tenant_table('provider_charge');
