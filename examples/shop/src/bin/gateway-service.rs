//! The gateway-service process. Its endpoints are in `ripstop_shop::gateway`.

use std::process::ExitCode;

use actix_web::web;
use ripstop_shop::{
    config::{Settings, peer_url, process_variable},
    gateway::{self, Peers},
    server::{self, StartError},
};

fn main() -> ExitCode {
    server::run_to_exit("gateway-service", serve())
}

async fn serve() -> Result<(), StartError> {
    let settings = Settings::read("gateway-service", 8080, &process_variable)?;
    let users = peer_url("USER_SERVICE_URL", "http://localhost:8081", &process_variable)?;
    let products = peer_url("PRODUCT_SERVICE_URL", "http://localhost:8082", &process_variable)?;
    let peers = web::Data::new(Peers::new(&users, &products).map_err(StartError::Client)?);
    server::serve(&settings, move |app| gateway::routes(app, &peers)).await
}
