// One product without stock or shipping, a region, and the key a shop's front end would use;
// what a caller must know of them goes into the file MEDUSA_FACTS.
const { writeFileSync } = require("fs")
const { Modules } = require("@medusajs/framework/utils")
const flows = require("@medusajs/medusa/core-flows")

exports.default = async function ({ container }) {
  const run = async (flow, input) => (await flow(container).run({ input })).result
  const [channel] = await run(flows.createSalesChannelsWorkflow, {
    salesChannelsData: [{ name: "Bench" }],
  })
  const [store] = await container.resolve(Modules.STORE).listStores()
  await run(flows.updateStoresWorkflow, {
    selector: { id: store.id },
    update: {
      supported_currencies: [{ currency_code: "usd", is_default: true }],
      default_sales_channel_id: channel.id,
    },
  })
  const [region] = await run(flows.createRegionsWorkflow, {
    regions: [
      {
        name: "US",
        currency_code: "usd",
        countries: ["us"],
        payment_providers: ["pp_system_default"],
      },
    ],
  })
  const [product] = await run(flows.createProductsWorkflow, {
    products: [
      {
        title: "Seats",
        status: "published",
        options: [{ title: "Term", values: ["Year"] }],
        variants: [
          {
            title: "Year",
            sku: "SEATS",
            manage_inventory: false,
            options: { Term: "Year" },
            prices: [{ amount: 389, currency_code: "usd" }],
          },
        ],
        sales_channels: [{ id: channel.id }],
      },
    ],
  })
  const [key] = await run(flows.createApiKeysWorkflow, {
    api_keys: [{ title: "Bench", type: "publishable", created_by: "" }],
  })
  await run(flows.linkSalesChannelsToApiKeyWorkflow, { id: key.id, add: [channel.id] })
  const facts = { key: key.token, region: region.id, variant: product.variants[0].id }
  writeFileSync(process.env.MEDUSA_FACTS, JSON.stringify(facts))
}
