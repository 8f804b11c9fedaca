//! `TaskService`.

mod read;
mod render;

use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    caller::caller,
    parse::Parse,
    render::{instant, text},
};
use crate::{
    app::{Call, Error, Registry},
    domain::audit::Action,
    proto::v1::{self, task_service_server, task_service_server::TaskServiceServer},
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> TaskServiceServer<TaskService> {
    TaskServiceServer::new(TaskService { registry })
}

/// What recipients must do.
#[derive(Clone)]
pub struct TaskService {
    registry: Registry,
}

#[tonic::async_trait]
impl task_service_server::TaskService for TaskService {
    async fn lease_tasks(
        &self,
        request: Request<v1::LeaseTasksRequest>,
    ) -> Result<Response<v1::LeaseTasksResponse>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let lease = read::lease(&mut parse, request.into_inner());
        let lease = parse.finish(|| lease).map_err(Error::from)?;
        let leased = self.registry.lease_tasks(caller, lease).await?;
        Ok(Response::new(v1::LeaseTasksResponse {
            tasks: leased.into_iter().map(render::leased).collect(),
        }))
    }

    async fn renew_lease(
        &self,
        request: Request<v1::RenewLeaseRequest>,
    ) -> Result<Response<v1::RenewLeaseResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let mut parse = Parse::new();
        let lease = read::on_lease(&mut parse, &message.task_id, &message.lease_id);
        let length = read::length(&mut parse, message.lease_duration);
        let (lease, length) = parse
            .finish(|| Ok((lease?, length?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::RenewLease);
        let until = self.registry.renew_lease(call, lease, length).await?;
        Ok(Response::new(v1::RenewLeaseResponse {
            lease_expires_at: Some(instant(until)),
        }))
    }

    async fn complete_task(
        &self,
        request: Request<v1::CompleteTaskRequest>,
    ) -> Result<Response<v1::CompleteTaskResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let canonical = message.encode_to_vec();
        let now = self.registry.now();
        let mut parse = Parse::new();
        let lease = read::on_lease(&mut parse, &message.task_id, &message.lease_id);
        let report = read::report(&mut parse, &message, now);
        let provided = read::provided(&mut parse, message.provided);
        let (lease, report, provided) = parse
            .finish(|| Ok((lease?, report?, provided?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::CompleteTask).idempotent(None, canonical);
        let written = self
            .registry
            .complete_task(call, lease, report, provided)
            .await?;
        Ok(Response::new(v1::CompleteTaskResponse {
            task: Some(render::task(&written.value)),
            revision: written.revision.to_string(),
        }))
    }

    async fn fail_task(
        &self,
        request: Request<v1::FailTaskRequest>,
    ) -> Result<Response<v1::FailTaskResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let canonical = message.encode_to_vec();
        let now = self.registry.now();
        let mut parse = Parse::new();
        let lease = read::on_lease(&mut parse, &message.task_id, &message.lease_id);
        let failed = read::failed(&mut parse, message, now);
        let (lease, failed) = parse
            .finish(|| Ok((lease?, failed?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::FailTask).idempotent(None, canonical);
        let written = self.registry.fail_task(call, lease, failed).await?;
        Ok(Response::new(v1::FailTaskResponse {
            task: Some(render::task(&written.value)),
        }))
    }

    async fn park_task(
        &self,
        request: Request<v1::ParkTaskRequest>,
    ) -> Result<Response<v1::ParkTaskResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let canonical = message.encode_to_vec();
        let now = self.registry.now();
        let mut parse = Parse::new();
        let lease = read::on_lease(&mut parse, &message.task_id, &message.lease_id);
        let not_before = read::parked_until(&mut parse, message.not_before, now);
        let progress = read::progress(&mut parse, message.progress);
        let (lease, not_before, progress) = parse
            .finish(|| Ok((lease?, not_before?, progress?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::ParkTask).idempotent(None, canonical);
        let parked = self
            .registry
            .park_task(call, lease, not_before, progress)
            .await?;
        Ok(Response::new(v1::ParkTaskResponse {
            task: Some(render::task(&parked.value)),
        }))
    }

    async fn retry_task(
        &self,
        request: Request<v1::RetryTaskRequest>,
    ) -> Result<Response<v1::RetryTaskResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let canonical = message.encode_to_vec();
        let task_id = parse.id("task_id", &message.task_id);
        let (task_id, request_id) = parse
            .finish(|| Ok((task_id?, request_id?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::RetryTask).idempotent(request_id, canonical);
        let written = self.registry.retry_task(call, task_id).await?;
        Ok(Response::new(v1::RetryTaskResponse {
            task: Some(render::task(&written.value)),
        }))
    }

    async fn resolve_task(
        &self,
        request: Request<v1::ResolveTaskRequest>,
    ) -> Result<Response<v1::ResolveTaskResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let canonical = message.encode_to_vec();
        let task_id = parse.id("task_id", &message.task_id);
        let settled = read::settled(&mut parse, message);
        let (task_id, request_id, settled) = parse
            .finish(|| Ok((task_id?, request_id?, settled?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::ResolveTask).idempotent(request_id, canonical);
        let written = self.registry.resolve_task(call, task_id, settled).await?;
        Ok(Response::new(v1::ResolveTaskResponse {
            task: Some(render::task(&written.value)),
        }))
    }

    async fn get_task(
        &self,
        request: Request<v1::GetTaskRequest>,
    ) -> Result<Response<v1::GetTaskResponse>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let id = parse.id("task_id", &request.into_inner().task_id);
        let id = parse.finish(|| id).map_err(Error::from)?;
        let task = self.registry.get_task(&caller, id).await?;
        Ok(Response::new(v1::GetTaskResponse {
            task: Some(render::task(&task)),
        }))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksResponse>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let asked = read::list(&mut parse, request.into_inner());
        let asked = parse.finish(|| asked).map_err(Error::from)?;
        let page = self.registry.list_tasks(&caller, asked).await?;
        Ok(Response::new(v1::ListTasksResponse {
            tasks: page.entries.iter().map(render::task).collect(),
            next_page_token: text(page.next.as_ref()),
        }))
    }
}
