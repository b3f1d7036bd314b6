//! The user-service process. Its endpoints are in `ripstop_shop::users`.

use std::process::ExitCode;

use actix_web::web;
use ripstop_shop::{
    config::{Settings, process_variable},
    server::{self, StartError},
    users,
};

fn main() -> ExitCode {
    server::run_to_exit("user-service", serve())
}

async fn serve() -> Result<(), StartError> {
    let settings = Settings::read("user-service", 8081, &process_variable)?;
    let store = web::Data::new(users::seeded_store());
    server::serve(&settings, move |app| users::routes(app, &store)).await
}
