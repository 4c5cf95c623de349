-- CreateTable
CREATE TABLE "order_overview" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "id" UUID NOT NULL,
    "status" TEXT NOT NULL,
    "customer" UUID,
    "lines" JSONB NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "cancel_reason" TEXT,
    "placed_at" TIMESTAMPTZ(3),
    "confirmed_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "order_overview_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "revenue_day" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "day" DATE NOT NULL,
    "currency" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "orders" INTEGER NOT NULL,

    CONSTRAINT "revenue_day_pkey" PRIMARY KEY ("tenant_id","day","currency")
);

-- CreateTable
CREATE TABLE "product_sales" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "product_id" UUID NOT NULL,
    "sku" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "named_at" TIMESTAMPTZ(3) NOT NULL,
    "units_sold" BIGINT NOT NULL,

    CONSTRAINT "product_sales_pkey" PRIMARY KEY ("tenant_id","product_id")
);

-- CreateTable
CREATE TABLE "product_revenue" (
    "tenant_id" UUID NOT NULL DEFAULT app.tid(),
    "product_id" UUID NOT NULL,
    "currency" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,

    CONSTRAINT "product_revenue_pkey" PRIMARY KEY ("tenant_id","product_id","currency")
);

-- CreateIndex
CREATE INDEX "order_overview_tenant_id_status_id_idx" ON "order_overview"("tenant_id", "status", "id");

-- CreateIndex
CREATE INDEX "product_sales_tenant_id_units_sold_product_id_idx" ON "product_sales"("tenant_id", "units_sold", "product_id");

-- What Prisma's schema cannot say.
ALTER TABLE "order_overview" ADD CONSTRAINT "order_overview_status" CHECK ("status" IN ('PENDING', 'CONFIRMED', 'CANCELLED'));

SELECT app.tenant_table('order_overview');
SELECT app.tenant_table('revenue_day');
SELECT app.tenant_table('product_sales');
SELECT app.tenant_table('product_revenue');
