//! The HTTP server around the endpoints of a service: start, the parts all services have, and graceful shutdown.

use std::{future::Future, io, net::SocketAddr, process::ExitCode, time::Duration};

use actix_web::{
    App, Error, HttpRequest, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{DefaultHeaders, from_fn},
    web,
};

use crate::{
    about::{self, About},
    access_log::access_log,
    api_error::{self, ApiError},
    config::{ConfigError, Settings},
    log,
};

/// How long requests under way may take after SIGTERM or SIGINT.
const SHUTDOWN_SECONDS: u64 = 5;
/// How long a connection may idle between requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// One worker thread serves these small handlers, and keeps the connections of the HTTP client on one event loop.
const WORKERS: usize = 1;

/// Why a service could not start or keep running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An environment variable cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The port is taken.
    #[error("port {port} on {host} is taken by another process: stop it, or set PORT to a free port")]
    PortTaken {
        /// The address from `HOST`.
        host: String,
        /// The port from `PORT`.
        port: u16,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {host} port {port} (HOST, PORT): {source}")]
    Bind {
        /// The address from `HOST`.
        host: String,
        /// The port from `PORT`.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The HTTP client for calls to other services could not be made.
    #[error("cannot make the HTTP client: {0}")]
    Client(reqwest::Error),
    /// The server stopped with an error.
    #[error("the server failed: {0}")]
    Serve(io::Error),
}

/// Runs a service to its end and reports an error on standard error.
pub fn run_to_exit(service: &str, serve: impl Future<Output = Result<(), StartError>>) -> ExitCode {
    match actix_web::rt::System::new().block_on(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::line(service, format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or SIGINT, then lets requests under way finish.
///
/// # Errors
/// When the address cannot be listened on or the server fails.
pub async fn serve<F>(settings: &Settings, routes: F) -> Result<(), StartError>
where
    F: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
{
    let server = bind(settings, routes)?;
    let About { service, version } = &settings.about;
    for address in server.addrs() {
        log::line(service, format_args!("{version} listens on http://{address}"));
    }
    server.run().await.map_err(StartError::Serve)?;
    log::line(service, format_args!("stopped"));
    Ok(())
}

/// An unstarted server whose address is already bound.
pub struct BoundServer {
    addrs: Vec<SocketAddr>,
    server: Server,
}

impl BoundServer {
    /// The addresses it listens on.
    #[must_use]
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// The server, which runs when awaited.
    pub fn run(self) -> Server {
        self.server
    }
}

/// Binds the address of `settings`.
///
/// A client that closes its connection cancels its request: the handler is dropped at once.
///
/// # Errors
/// When the address cannot be listened on.
pub fn bind<F>(settings: &Settings, routes: F) -> Result<BoundServer, StartError>
where
    F: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
{
    let about = settings.about.clone();
    let (host, port) = (settings.host.clone(), settings.port);
    let server = HttpServer::new(move || app(&about, routes.clone()))
        .workers(WORKERS)
        .keep_alive(KEEP_ALIVE)
        .h1_allow_half_closed(false)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .bind((host.as_str(), port))
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken { host, port },
            _ => StartError::Bind { host, port, source },
        })?;
    Ok(BoundServer { addrs: server.addrs(), server: server.run() })
}

/// The application: the given routes, and around them what every service has.
pub fn app<F: Fn(&mut web::ServiceConfig)>(
    about: &About,
    routes: F,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<F>>,
        Error = Error,
        InitError = (),
    > + use<F>,
> {
    App::new()
        .app_data(web::Data::new(about.clone()))
        .configure(api_error::extractors)
        .configure(about::routes)
        .configure(routes)
        .default_service(web::to(no_such_path))
        .wrap(DefaultHeaders::new().add(("x-version", about.version.as_str())))
        .wrap(from_fn(access_log))
}

async fn no_such_path(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::NoSuchPath { path: request.path().to_owned() })
}
