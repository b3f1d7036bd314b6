//! The product-service process. Its endpoints are in `ripstop_shop::products`.

use std::process::ExitCode;

use actix_web::web;
use ripstop_shop::{
    config::{Settings, process_variable},
    products::{self, slow::SlowStats},
    server::{self, StartError},
};

fn main() -> ExitCode {
    server::run_to_exit("product-service", serve())
}

async fn serve() -> Result<(), StartError> {
    let settings = Settings::read("product-service", 8082, &process_variable)?;
    let store = web::Data::new(products::seeded_store());
    let stats = web::Data::new(SlowStats::default());
    server::serve(&settings, move |app| products::routes(app, &store, &stats)).await
}
